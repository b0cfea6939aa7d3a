"""IDX, the format of MNIST: two zero bytes, the element type, the number of axes, their sizes, the elements.

All numbers are big-endian. Y. LeCun, C. Cortes, "The MNIST database" (yann.lecun.com/exdb/mnist).
"""

import struct
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from dlcli.data.files import describe, open_file
from dlcli.errors import DataError
from dlcli.layers.base import Array, Shape

ELEMENTS: dict[int, np.dtype[Any]] = {
    0x08: np.dtype("u1"), 0x09: np.dtype("i1"), 0x0B: np.dtype(">i2"),
    0x0C: np.dtype(">i4"), 0x0D: np.dtype(">f4"), 0x0E: np.dtype(">f8"),
}  # fmt: skip
MAX_RANK = 8


class Header(NamedTuple):
    """Element type and shape; ``length`` is the header's own, in bytes."""

    dtype: np.dtype[Any]
    shape: Shape
    length: int


def read_header(stream: BinaryIO, name: str) -> Header:
    """Read and check the header; raises `DataError` naming the byte at fault."""
    magic = _read(stream, 4, name, 0)
    if magic[:2] != b"\0\0":
        raise DataError(f"{name}: found {describe(magic)}, expected an IDX file, which starts with two zero bytes")
    if magic[2] not in ELEMENTS:
        known = ", ".join(f"0x{code:02x}" for code in ELEMENTS)
        raise DataError(f"{name}: byte 2: found element type 0x{magic[2]:02x}, expected one of {known}")
    rank = magic[3]
    if not 1 <= rank <= MAX_RANK:
        raise DataError(f"{name}: byte 3: found {rank} axes, expected 1 to {MAX_RANK}")
    shape = struct.unpack(f">{rank}I", _read(stream, 4 * rank, name, 4))
    if 0 in shape:
        raise DataError(f"{name}: found shape {list(shape)}, expected at least one sample of at least one element")
    return Header(ELEMENTS[magic[2]], shape, 4 + 4 * rank)


def read_idx(path: str) -> Array:
    """The array of an IDX file, plain or gzipped, in the machine's byte order."""
    with open_file(path, gunzip=True) as file:
        header = read_header(file.stream, path)
        array = file.read_array(header.shape, header.dtype, header.length)
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _read(stream: BinaryIO, count: int, name: str, offset: int) -> bytes:
    data = stream.read(count)
    if len(data) < count:
        raise DataError(f"{name}: truncated: the header ends at byte {offset + len(data)}, expected {offset + count}")
    return data
