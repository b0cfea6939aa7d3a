"""CIFAR-10, binary version."""

import os
from typing import Literal

import numpy as np

from dlcli.data.base import Source
from dlcli.data.dataset import Dataset, Samples, class_indices
from dlcli.data.formats.cifar import read_names, read_records


class Cifar10(Source):
    """CIFAR-10: 50,000 training and 10,000 test images of 32 × 32 × 3, 10 classes."""

    type: Literal["cifar10"] = "cifar10"
    root: str
    """Folder of the binary version (`data_batch_1.bin` … `test_batch.bin`, `batches.meta.txt`), relative to
    the working directory."""

    def load(self) -> Dataset:
        train = [self._samples(f"data_batch_{number}.bin") for number in range(1, 6)]
        names = read_names(os.path.join(self.root, "batches.meta.txt"), 10)
        joined = Samples(np.concatenate([part.x for part in train]), np.concatenate([part.y for part in train]))
        return Dataset(joined, self._samples("test_batch.bin"), names)

    def _samples(self, name: str) -> Samples:
        path = os.path.join(self.root, name)
        images, labels = read_records(path, 1)
        return Samples(images, class_indices(labels[:, 0], path, 10))
