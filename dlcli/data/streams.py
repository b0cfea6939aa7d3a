"""Samples to predict, from a file or a pipe: CSV, JSON lines, IDX (as they arrive) and NPZ (once whole)."""

import gzip
import io
import json
import math
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any, BinaryIO, cast

import numpy as np

from dlcli.data.dataset import real_numbers
from dlcli.data.files import GZIP, PIECE, SMALL, ZIP, describe, failures_of, fill
from dlcli.data.formats.idx import read_header
from dlcli.data.formats.lines import Line, arriving_lines
from dlcli.data.formats.npz import Archive
from dlcli.data.formats.rows import RowReader
from dlcli.errors import DataError
from dlcli.layers.base import Array, Shape


def open_stream(
    source: str | BinaryIO,
    sample_shape: Shape,
    *,
    label: str | int | None = None,
    delimiter: str = ",",
    batch: int = 100,
) -> Iterator[Array]:
    """Batches of samples, uint8 or float32, in their order; the first bytes tell the format.

    Rows and lines are handed on as soon as they have arrived, IDX batch by batch (gzipped too), with flat
    memory however long the stream is. An NPZ file must be whole: its array `x`, `x_test`, or its only one.

    Parameters
    ----------
    source: a path, ``-`` for standard input, or a binary stream.
    sample_shape: of a sample before the transforms.
    label: name or index of a CSV column that is left out where rows have it.
    delimiter: between CSV cells.
    batch: samples in a batch, at most.

    Yields
    ------
    (n, *sample_shape) with 1 ≤ n ≤ ``batch``.

    Raises
    ------
    DataError: naming the line, or the file, and what was found and expected.
    """
    name = source if isinstance(source, str) and source != "-" else "<stdin>"
    with failures_of(name), _opened(source) as stream:
        for array in _arrays(_Joined.start(stream), name, tuple(sample_shape), label, delimiter, batch):
            for start in range(0, len(array), batch):
                yield array[start : start + batch]


def _opened(source: str | BinaryIO) -> AbstractContextManager[BinaryIO]:
    if source == "-":
        return nullcontext(sys.stdin.buffer)
    return open(source, "rb") if isinstance(source, str) else nullcontext(source)


class _Joined(io.RawIOBase):
    """A stream whose first bytes have been looked at: those, then what the stream has, as it comes."""

    def __init__(self, head: bytes, stream: BinaryIO) -> None:
        self._head = head
        self._read = getattr(stream, "read1", stream.read)

    @classmethod
    def start(cls, stream: BinaryIO) -> tuple[bytes, BinaryIO]:
        """The first bytes (four, or a line, or all there are) after blank ones, and a stream that begins with them."""
        self = cls(b"", stream)
        seen = b""
        while len(seen) < 4 and b"\n" not in seen and len(self._head) < PIECE and (piece := self._read(PIECE)):
            self._head += piece
            seen = self._head.lstrip()
        return self._head, cast(BinaryIO, io.BufferedReader(self, PIECE))

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._head[: len(buffer)] or self._read(len(buffer))
        self._head = self._head[len(data) :]
        buffer[: len(data)] = data
        return len(data)


def _arrays(
    started: tuple[bytes, BinaryIO],
    name: str,
    shape: Shape,
    label: str | int | None,
    delimiter: str,
    batch: int,
) -> Iterator[Array]:
    head, stream = started
    if not head.strip():
        raise DataError(f"{name}: found nothing, expected samples (CSV, JSON lines, IDX or NPZ)")
    if head.startswith(GZIP):
        unzipped = cast(BinaryIO, gzip.GzipFile(fileobj=stream))
        yield from _arrays(_Joined.start(unzipped), name, shape, label, delimiter, batch)
    elif head.startswith(b"\0\0"):
        yield from _idx(stream, name, shape, batch)
    elif head.startswith(ZIP):
        yield _npz(stream, name, shape)
    elif head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"["):
        for lines in arriving_lines(stream, name):
            yield np.stack([_json(line, name, shape) for line in lines])
    elif head[0] in b"\x80\x89\xff\x93" or b"\0" in head[:4]:
        raise DataError(f"{name}: found {describe(head)}, expected CSV, JSON lines, IDX or NPZ")
    else:
        reader = RowReader(name, delimiter, label=label, columns=math.prod(shape))
        for rows in reader.read(arriving_lines(stream, name)):
            yield rows.values.reshape(-1, *shape)


def _idx(stream: BinaryIO, name: str, shape: Shape, batch: int) -> Iterator[Array]:
    header = read_header(stream, name)
    _check_shape(header.shape[1:], shape, name)
    offset = header.length
    for start in range(0, header.shape[0], batch):
        array = np.empty((min(batch, header.shape[0] - start), *shape), header.dtype)
        fill(stream, array, name, offset)
        offset += array.nbytes
        yield real_numbers(array, f"{name}: samples from {start}")
    if stream.read(1):
        raise DataError(f"{name}: found more data at byte {offset:,}, expected the end of the file")


def _npz(stream: BinaryIO, name: str, shape: Shape) -> Array:
    with tempfile.SpooledTemporaryFile(max_size=SMALL) as file:
        shutil.copyfileobj(stream, file)
        size = file.tell()
        file.seek(0)
        archive = Archive(cast(BinaryIO, file), name, size)
        key = next((key for key in ("x", "x_test") if key in archive.keys), archive.keys[0] if archive.keys else "x")
        if key not in ("x", "x_test") and len(archive.keys) > 1:
            raise DataError(f"{name}: found arrays {', '.join(archive.keys)}, expected x, x_test or just one")
        array = archive.read(key)
    if array.ndim == 0:
        raise DataError(f"{name}: array {key}: found a single number, expected (samples, …)")
    _check_shape(array.shape[1:], shape, f"{name}: array {key}")
    return real_numbers(array, f"{name}: array {key}").reshape(-1, *shape)


def _json(line: Line, name: str, shape: Shape) -> Array:
    number, text = line
    place = f"{name}: line {number}"
    try:
        array = np.array(json.loads(text))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{place}: found no JSON array of numbers, expected shape {list(shape)} ({error})") from error
    if array.dtype.kind not in "iuf":
        raise DataError(f"{place}: found {text[:40]!r}, expected an array of numbers of shape {list(shape)}")
    _check_shape(array.shape, shape, place)
    sample: Array = real_numbers(array.reshape(1, *shape), place)[0]
    return sample


def _check_shape(found: Shape, expected: Shape, place: str) -> None:
    """Samples fit as they are, flat, or but for axes of size 1 (an image's only channel)."""
    if len(found) == 1 or len(expected) == 1:
        fits = math.prod(found) == math.prod(expected)
    else:
        fits = [size for size in found if size > 1] == [size for size in expected if size > 1]
    if not fits:
        raise DataError(f"{place}: found a sample of shape {list(found)}, expected {list(expected)}")
