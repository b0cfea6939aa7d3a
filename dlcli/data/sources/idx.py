"""IDX files, as MNIST comes."""

import os
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from dlcli.data.base import Source
from dlcli.data.dataset import Dataset, Samples, class_indices, paired, real_numbers
from dlcli.data.formats.idx import read_idx
from dlcli.errors import DataError

NAMES = {
    "train_images": "train-images-idx3-ubyte",
    "train_labels": "train-labels-idx1-ubyte",
    "test_images": "t10k-images-idx3-ubyte",
    "test_labels": "t10k-labels-idx1-ubyte",
}


class Idx(Source):
    """IDX files, plain or gzipped: MNIST and its likes; images without a channel axis get one."""

    type: Literal["idx"] = "idx"
    root: str | None = None
    """Folder with MNIST's four files (`train-images-idx3-ubyte` or `train-images.idx3-ubyte`, …, each plain
    or `.gz`; the test files may be absent), relative to the working directory."""
    train_images: str | None = None
    """Training samples: a file of two axes or more, the first being the samples."""
    train_labels: str | None = None
    """Training labels: a file of one axis, of integers."""
    test_images: str | None = None
    """Test samples."""
    test_labels: str | None = None
    """Test labels."""
    classes: Annotated[int, Field(ge=2)] | None = None
    """Number of classes; by default the largest training label + 1."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        given = {name for name in NAMES if getattr(self, name) is not None}
        if self.root is not None and given:
            raise PydanticCustomError("root_or_files", "found root and single files, expected either of them")
        if self.root is None and not {"train_images", "train_labels"} <= given:
            raise PydanticCustomError("no_files", "expected root, or train_images and train_labels")
        if ("test_images" in given) != ("test_labels" in given):
            raise PydanticCustomError("half_a_test_set", "expected test_images and test_labels together")
        return self

    def load(self) -> Dataset:
        train = self._split("train", self.classes)
        if train is None:
            if not os.path.isdir(self.root or ""):
                raise DataError(f"{self.root}: no such folder, looked for in {os.getcwd()}")
            raise DataError(f"{self.root}: no {NAMES['train_images']} in this folder, plain or .gz")
        classes = self.classes or int(train.y.max()) + 1
        return Dataset(train, self._split("test", classes), tuple(range(classes)))

    def _split(self, split: str, classes: int | None) -> Samples | None:
        images, labels = self._path(f"{split}_images"), self._path(f"{split}_labels")
        if images is None and labels is None:
            return None
        if images is None or labels is None:
            absent, present = ("images", labels) if images is None else ("labels", images)
            raise DataError(f"{self.root}: found {present}, but no {NAMES[f'{split}_{absent}']}, plain or .gz")
        y = class_indices(read_idx(labels), labels, classes)
        array = read_idx(images)
        if array.ndim < 2:
            raise DataError(
                f"{images}: found shape {list(array.shape)}, expected samples of two axes or more; "
                "are samples and labels swapped?"
            )
        x = real_numbers(array[..., None] if array.ndim == 3 else array, images)
        return paired(x, y, f"{images} and {labels}")

    def _path(self, key: str) -> str | None:
        if self.root is None:
            path: str | None = getattr(self, key)
            return path
        name = NAMES[key]
        candidates = [name, f"{name}.gz", name.replace("-idx", ".idx"), f"{name.replace('-idx', '.idx')}.gz"]
        paths = (os.path.join(self.root, candidate) for candidate in candidates)
        return next((path for path in paths if os.path.exists(path)), None)
