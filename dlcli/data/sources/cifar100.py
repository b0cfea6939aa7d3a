"""CIFAR-100, binary version."""

import os
from typing import Literal

from dlcli.data.base import Source
from dlcli.data.dataset import Dataset, Samples, class_indices
from dlcli.data.formats.cifar import read_names, read_records


class Cifar100(Source):
    """CIFAR-100: 50,000 training and 10,000 test images of 32 × 32 × 3, in 100 classes or 20 superclasses."""

    type: Literal["cifar100"] = "cifar100"
    root: str
    """Folder of the binary version (`train.bin`, `test.bin`, `fine_label_names.txt`, …), relative to the
    working directory."""
    labels: Literal["fine", "coarse"] = "fine"
    """The 100 classes, or the 20 superclasses."""

    def load(self) -> Dataset:
        count = 100 if self.labels == "fine" else 20
        names = read_names(os.path.join(self.root, f"{self.labels}_label_names.txt"), count)
        return Dataset(self._samples("train.bin", count), self._samples("test.bin", count), names)

    def _samples(self, name: str, count: int) -> Samples:
        path = os.path.join(self.root, name)
        images, labels = read_records(path, 2)  # the coarse label comes first
        return Samples(images, class_indices(labels[:, int(self.labels == "fine")], path, count))
