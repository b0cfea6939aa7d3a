"""Opening data files: whatever can be wrong with one becomes a message that names it."""

import gzip
import math
import os
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO, cast

import numpy as np

from dlcli.data.memory import allocate
from dlcli.errors import DataError, EnvironmentFailure
from dlcli.layers.base import Array

PIECE = 1 << 20  # bytes read at a time
MAX_EXPANSION = 200  # MNIST's images expand 5 times, its labels 13 times; deflate can reach 1032
SMALL = 64 << 20  # bytes; what expands to less than this harms no one

GZIP = b"\x1f\x8b"
ZIP = (b"PK\x03\x04", b"PK\x05\x06")  # an archive with members, one without


def describe(head: bytes) -> str:
    """What a file's first bytes look like, for messages."""
    kinds: dict[bytes | tuple[bytes, ...], str] = {
        GZIP: "gzip data", ZIP: "a ZIP archive (NPZ)", b"\x93NUMPY": "an NPY array",
        b"\x80": "a Python pickle",
        b"\x89PNG": "a PNG image", b"\xff\xd8": "a JPEG image", b"\x89HDF": "an HDF5 file",
    }  # fmt: skip
    for magic, kind in kinds.items():
        if head.startswith(magic):
            return kind
    return f"bytes {head[:4].hex(' ')}" if head else "an empty file"


@contextmanager
def failures_of(name: str) -> Iterator[None]:
    """Turn what reading raises into `DataError` (the content) or `EnvironmentFailure` (the machine)."""
    try:
        yield
    except (gzip.BadGzipFile, zlib.error, zipfile.BadZipFile) as error:
        raise DataError(f"{name}: damaged: {error}") from error
    except EOFError as error:
        raise DataError(f"{name}: truncated: the compressed data end before their end mark") from error
    except FileNotFoundError as error:
        raise DataError(f"{name}: no such file, looked for in {os.getcwd()}") from error
    except (IsADirectoryError, NotADirectoryError) as error:
        raise DataError(f"{name}: found a folder, expected a file") from error
    except OSError as error:
        raise EnvironmentFailure(f"{name}: {error.strerror or error}") from error


@dataclass(frozen=True)
class DataFile:
    """A file open for reading; ``size`` is in bytes on disk; ``compressed``: ``stream`` decompresses."""

    name: str
    stream: BinaryIO
    size: int
    compressed: bool

    def read_array(self, shape: tuple[int, ...], dtype: np.dtype[np.generic], offset: int) -> Array:
        """The rest of the file as an array, from byte ``offset`` of the (decompressed) content on.

        Raises `DataError`, before memory is taken, where the file cannot hold it.
        """
        array_bytes = math.prod(shape) * dtype.itemsize
        expected = offset + array_bytes
        if not self.compressed and self.size != expected:
            raise DataError(
                f"{self.name}: found {self.size:,} bytes, expected {expected:,} for shape {list(shape)} of {dtype.name}"
            )
        check_expansion(self.name, self.size, expected)
        array = allocate(shape, dtype, self.name)
        fill(self.stream, array, self.name, offset)
        if self.stream.read(1):  # at the end of gzip data this also compares the checksum
            raise DataError(f"{self.name}: found more data at byte {expected:,}, expected the end of the file")
        return array


@contextmanager
def open_file(path: str, *, gunzip: bool = False) -> Iterator[DataFile]:
    """Open a regular file; with ``gunzip``, gzip data are decompressed as they are read."""
    with failures_of(path), open(path, "rb") as stream:
        status = os.fstat(stream.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise DataError(f"{path}: expected a regular file, found a pipe or a device")
        if status.st_size == 0:
            raise DataError(f"{path}: the file is empty")
        if gunzip and stream.peek(2).startswith(GZIP):
            with gzip.GzipFile(fileobj=stream) as decompressed:
                yield DataFile(path, cast(BinaryIO, decompressed), status.st_size, True)
        else:
            yield DataFile(path, stream, status.st_size, False)


def check_expansion(name: str, compressed: int, expanded: int) -> None:
    """Refuse a decompression bomb: small data that claim to expand to very much."""
    if expanded > max(SMALL, MAX_EXPANSION * compressed):
        raise DataError(
            f"{name}: found {compressed:,} bytes that claim to hold {expanded:,}, expected at most "
            f"{MAX_EXPANSION} times as many; store such data uncompressed"
        )


def fill(stream: BinaryIO, array: Array, name: str, offset: int = 0) -> None:
    """Read a whole array (contiguous) from a stream that stands at byte ``offset``."""
    flat = array.reshape(-1).view(np.uint8)
    done = 0
    while done < len(flat):
        try:
            piece = stream.read(min(PIECE, len(flat) - done))
        except EOFError:
            piece = b""
        if not piece:
            raise DataError(f"{name}: truncated: found {offset + done:,} bytes, expected {offset + len(flat):,}")
        flat[done : done + len(piece)] = np.frombuffer(piece, np.uint8)
        done += len(piece)
