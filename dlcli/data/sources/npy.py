"""Arrays saved by NumPy, one a file, that stay on disk."""

from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from dlcli.data.base import Source
from dlcli.data.dataset import Dataset, Samples, class_indices, paired, real_numbers
from dlcli.data.files import describe, open_file
from dlcli.data.formats.npz import read_header
from dlcli.data.sources.npz import real_targets
from dlcli.errors import DataError
from dlcli.layers.base import Array


class Npy(Source):
    """NPY files, one for each array, for data that are larger than memory: samples of bytes or float32 are read from
    disk as they are needed. (Other types are converted, in memory.)

    Integers as targets (one axis) are class indices; real numbers (one axis or two) are targets of a regression. The
    files must not change while they are in use.
    """

    type: Literal["npy"] = "npy"
    x_train: str
    """Training samples (samples, …), relative to the working directory."""
    y_train: str
    """Training targets."""
    x_test: str | None = None
    """Test samples."""
    y_test: str | None = None
    """Test targets."""
    classes: Annotated[int, Field(ge=2)] | None = None
    """Number of classes; by default the largest training label + 1."""

    @model_validator(mode="after")
    def _whole_test_set(self) -> Self:
        if (self.x_test is None) != (self.y_test is None):
            raise PydanticCustomError("half_a_test_set", "expected x_test and y_test together")
        return self

    def load(self) -> Dataset:
        train = _split(self.x_train, self.y_train, self.classes)
        regression = train.y.dtype.kind == "f"
        classes = 0 if regression else self.classes or int(train.y.max()) + 1
        test = None
        if self.x_test is not None and self.y_test is not None:
            test = _split(self.x_test, self.y_test, classes or None)
            if test.y.dtype != train.y.dtype:
                raise DataError(
                    f"{self.y_test}: found {test.y.dtype.name}, expected {train.y.dtype.name} as in {self.y_train}"
                )
        return Dataset(train, test, tuple(range(classes)))


def _split(x_path: str, y_path: str, classes: int | None) -> Samples:
    x, y = _mapped(x_path), _mapped(y_path)
    if x.ndim < 2:
        raise DataError(f"{x_path}: found shape {list(x.shape)}, expected (samples, …) of two axes or more")
    own = real_targets(y, y_path) if y.dtype.kind == "f" else class_indices(y, y_path, classes)
    return paired(real_numbers(x, x_path), own, f"{x_path} and {y_path}")


def _mapped(path: str) -> Array:
    """The array of a file, whose pages are read when they are looked at; its size is checked before."""
    with open_file(path) as file:
        head = file.stream.read(6)
        if head != np.lib.format.MAGIC_PREFIX:
            raise DataError(f"{path}: found {describe(head)}, expected an NPY file (an array of numbers)")
        file.stream.seek(0)
        shape, fortran, dtype = read_header(file.stream, path)
        offset = file.stream.tell()
        expected = offset + int(np.prod(shape, dtype=object)) * dtype.itemsize
        if file.size != expected:
            raise DataError(
                f"{path}: found {file.size:,} bytes, expected {expected:,} for shape {list(shape)} of {dtype}"
            )
        if 0 in shape:
            return np.empty(shape, dtype)
        mapped = np.memmap(file.stream, dtype, "r", offset, shape, "F" if fortran else "C")
        return np.asarray(mapped.astype(dtype.newbyteorder("="), copy=False))
