"""What a source gives: samples in memory, with their targets; and the checks that all sources share."""

import hashlib
from dataclasses import dataclass

import numpy as np

from dlcli.errors import DataError
from dlcli.layers.base import Array, Shape, Task

MAX_CLASSES = 1 << 20  # where the number of classes is not given; more are no class indices
PIECE = 1 << 22  # elements looked at in one go


@dataclass(frozen=True)
class Samples:
    """Samples of one split.

    x: (N, …) uint8 or float32, one sample a row; images are (N, height, width, channels).
    y: (N,) int64 class indices, or (N, outputs) float32 for a regression.
    """

    x: Array
    y: Array

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True)
class Dataset:
    """What a source gives.

    ``classes`` are the class labels, integers or strings, in the order of their indices; none for a
    regression.
    """

    train: Samples
    test: Samples | None
    classes: tuple[int | str, ...]

    def __post_init__(self) -> None:
        if self.test is None:
            return
        for what, train, test in (
            ("samples", self.train.x, self.test.x),
            ("targets", self.train.y, self.test.y),
        ):
            if train.shape[1:] != test.shape[1:]:
                raise DataError(
                    f"test {what}: found shape {list(test.shape[1:])}, expected {list(train.shape[1:])} as in training"
                )

    @property
    def sample_shape(self) -> Shape:
        return tuple(self.train.x.shape[1:])

    @property
    def task(self) -> Task:
        return "classification" if self.classes else "regression"

    def fingerprint(self) -> str:
        """A BLAKE2b digest of shapes, element types, bytes and classes: it changes when the data do."""
        digest = hashlib.blake2b(repr(self.classes).encode(), digest_size=16)
        for samples in filter(None, (self.train, self.test)):
            for array in (samples.x, samples.y):
                digest.update(f"{array.shape} {array.dtype.str}".encode())
                digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
        return digest.hexdigest()


def real_numbers(array: Array, place: str) -> Array:
    """(N, …) uint8 as it is, other numbers as finite float32; raises `DataError` naming the sample."""
    if array.dtype.kind not in "biuf":
        raise DataError(f"{place}: found elements of type {array.dtype}, expected integers or real numbers")
    if array.ndim == 0 or array.size == 0:
        raise DataError(
            f"{place}: found shape {list(array.shape)}, expected at least one sample of at least one number"
        )
    if array.dtype == np.uint8:
        return np.ascontiguousarray(array)
    with np.errstate(over="ignore"):
        result = np.ascontiguousarray(array, np.float32)
    rows = result.reshape(len(result), -1)
    step = max(1, PIECE // rows.shape[1])
    for start in range(0, len(rows), step):
        finite = np.isfinite(rows[start : start + step]).all(axis=1)
        if not finite.all():
            index = start + int(np.argmin(finite))
            value = rows[index][~np.isfinite(rows[index])][0]
            raise DataError(f"{place}: sample {index} (from 0): found {value}, expected finite numbers")
    return result


def class_indices(array: Array, place: str, classes: int | None) -> Array:
    """(N,) int64 of integer labels, checked to lie from 0 to ``classes`` − 1; raises `DataError`."""
    if array.ndim != 1:
        raise DataError(
            f"{place}: found shape {list(array.shape)}, expected one label a sample; are samples and labels swapped?"
        )
    if array.dtype.kind not in "iu" or array.dtype == np.uint64:
        raise DataError(f"{place}: found elements of type {array.dtype}, expected integers")
    limit = classes or MAX_CLASSES
    wrong = (array < 0) | (array >= limit)
    if wrong.any():
        index = int(np.argmax(wrong))
        raise DataError(f"{place}: label {index} (from 0): found {array[index]}, expected 0 to {limit - 1:,}")
    return array.astype(np.int64)


def paired(x: Array, y: Array, place: str) -> Samples:
    """Samples with their targets; raises `DataError` where their counts differ."""
    if len(x) != len(y):
        raise DataError(f"{place}: found {len(x):,} samples and {len(y):,} labels, expected as many of either")
    return Samples(x, y)
