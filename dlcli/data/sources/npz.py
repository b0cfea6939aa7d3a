"""Arrays saved by NumPy."""

from typing import Annotated, Literal

from pydantic import Field

from dlcli.data.base import Source
from dlcli.data.dataset import Dataset, Samples, class_indices, paired, real_numbers
from dlcli.data.files import open_file
from dlcli.data.formats.npz import Archive
from dlcli.errors import DataError
from dlcli.layers.base import Array


class Npz(Source):
    """An NPZ file with the arrays `x_train`, `y_train` and, optionally, `x_test`, `y_test`.

    Integers in `y` (one axis) are class indices; real numbers (one axis or two) are targets of a regression.
    """

    type: Literal["npz"] = "npz"
    file: str
    """The file, relative to the working directory."""
    classes: Annotated[int, Field(ge=2)] | None = None
    """Number of classes; by default the largest training label + 1."""

    def load(self) -> Dataset:
        with open_file(self.file) as file:
            archive = Archive(file.stream, self.file, file.size)
            train = self._split(archive, "train", self.classes)
            regression = train.y.dtype.kind == "f"
            classes = 0 if regression else self.classes or int(train.y.max()) + 1
            test = None
            if {"x_test", "y_test"} & set(archive.keys):
                test = self._split(archive, "test", classes)
        if test is not None and test.y.dtype != train.y.dtype:
            raise DataError(
                f"{self.file}: y_test: found {test.y.dtype.name}, expected {train.y.dtype.name} as in y_train"
            )
        return Dataset(train, test, tuple(range(classes)))

    def _split(self, archive: Archive, split: str, classes: int | None) -> Samples:
        x, y = archive.read(f"x_{split}"), archive.read(f"y_{split}")
        if x.ndim < 2:
            raise DataError(
                f"{self.file}: x_{split}: found shape {list(x.shape)}, expected (samples, …) of two axes or more"
            )
        place = f"{self.file}: y_{split}"
        targets = real_targets(y, place) if y.dtype.kind == "f" else class_indices(y, place, classes)
        return paired(real_numbers(x, f"{self.file}: x_{split}"), targets, f"{self.file}: x_{split} and y_{split}")


def real_targets(y: Array, place: str) -> Array:
    """(N, outputs) finite float32 targets of a regression; raises `DataError`."""
    if y.ndim not in (1, 2):
        raise DataError(f"{place}: found shape {list(y.shape)}, expected (samples,) or (samples, outputs)")
    return real_numbers(y.reshape(len(y), -1), place)
