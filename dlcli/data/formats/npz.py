"""NPZ: a ZIP archive of NPY arrays, read without pickle, sizes checked before memory is taken."""

import errno
import math
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, cast

import numpy as np

from dlcli.data.files import ZIP, check_expansion, describe, fill
from dlcli.data.memory import allocate
from dlcli.errors import DataError
from dlcli.layers.base import Array, Shape


class Archive:
    """An NPZ file, open; ``size`` is in bytes. Raises `DataError` where it is none."""

    def __init__(self, stream: BinaryIO, name: str, size: int) -> None:
        self.name, self.size = name, size
        head = stream.read(8)
        if not head.startswith(ZIP):
            raise DataError(f"{name}: found {describe(head)}, expected an NPZ file (a ZIP archive of arrays)")
        stream.seek(0)
        with _zip_failures(name):
            self._zip = zipfile.ZipFile(stream)

    @property
    def keys(self) -> tuple[str, ...]:
        """Names of the arrays."""
        return tuple(name.removesuffix(".npy") for name in self._zip.namelist())

    def read(self, key: str) -> Array:
        """One array, of numbers; raises `DataError` where it is missing or anything else."""
        if key not in self.keys:
            raise DataError(f"{self.name}: no array {key}; found {', '.join(self.keys) or 'none'}")
        place = f"{self.name}: array {key}"
        member = self._zip.getinfo(f"{key}.npy" if f"{key}.npy" in self._zip.namelist() else key)
        with _zip_failures(place), self._zip.open(member) as opened:
            stream = cast(BinaryIO, opened)
            shape, fortran, dtype = read_header(stream, place)
            offset = stream.tell()
            expected = math.prod(shape) * dtype.itemsize
            if member.file_size - offset != expected:
                raise DataError(
                    f"{place}: found {member.file_size - offset:,} bytes of data, "
                    f"expected {expected:,} for shape {list(shape)} of {dtype}"
                )
            check_expansion(place, min(member.compress_size, self.size), expected)
            array = allocate(shape[::-1] if fortran else shape, dtype, place)
            fill(stream, array, place, offset)  # at the end zipfile compares the checksum
        array = array.T if fortran else array
        return array.astype(dtype.newbyteorder("="), copy=False)


@contextmanager
def _zip_failures(place: str) -> Iterator[None]:
    """Turn what zipfile raises for an archive that it cannot read into `DataError`."""
    try:
        yield
    except (RuntimeError, ValueError, zipfile.BadZipFile) as error:  # encrypted, unknown, not UTF-8, damaged
        raise DataError(f"{place}: damaged or of an unknown kind: {error}") from error
    except OSError as error:
        if error.errno != errno.EINVAL:  # an offset outside the file
            raise
        raise DataError(f"{place}: damaged: its table of contents points outside the file") from error


def read_header(stream: BinaryIO, place: str) -> tuple[Shape, bool, np.dtype[np.generic]]:
    """Shape, order and element type of an NPY array."""
    try:
        version = np.lib.format.read_magic(stream)
        read = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version]
        shape, fortran, dtype = read(stream)
    except zipfile.BadZipFile:
        raise
    except Exception as error:  # NumPy evaluates the header's literals; nonsense there raises nearly anything
        raise DataError(f"{place}: found no NPY array of plain numbers, expected one ({error})") from error
    if dtype.kind not in "biuf":
        what = "Python objects (pickled), which are never read" if dtype.hasobject else f"elements of type {dtype}"
        raise DataError(f"{place}: found {what}, expected integers or real numbers")
    if any(size < 0 for size in shape):
        raise DataError(f"{place}: found shape {list(shape)}, expected sizes of at least 0")
    return shape, fortran, dtype
