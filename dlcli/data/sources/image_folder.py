"""Pictures, a folder for each class."""

import os
from typing import Literal

import numpy as np

from dlcli.data.base import Source
from dlcli.data.dataset import Dataset, Samples
from dlcli.data.formats.pictures import KINDS, read_pictures
from dlcli.data.memory import allocate
from dlcli.errors import DataError
from dlcli.options import Pair


class ImageFolder(Source):
    """JPEG, PNG, BMP, GIF (the first picture), PPM, TIFF and WebP files in a folder for each class, which bears its
    name; needs `pip install 'dlcli[images]'`.

    Classes are sorted by name. Hidden files and links are ignored. All pictures are decoded at the start and kept as
    bytes, height × width × channels of them each: ImageNet's 1.28 million at 256 × 256 would need 252 GB. What is
    larger than memory belongs into NPY files (`type: npy`).
    """

    type: Literal["image_folder"] = "image_folder"
    train: str
    """Folder of the training set, relative to the working directory."""
    test: str | None = None
    """Folder of the test set, with the same classes or some of them."""
    size: Pair
    """Height and width that every picture gets: it is resized, in proportion, until it covers the size (smoothed where
    it is made smaller), and what stands out is cut off at both sides alike."""
    channels: Literal[1, 3] = 3
    """3: red, green, blue; 1: grey."""

    def load(self) -> Dataset:
        classes = _subfolders(self.train)
        if not classes:
            raise DataError(f"{self.train}: found no folders, expected one for each class")
        train = self._samples(self.train, classes, classes)
        if self.test is None:
            return Dataset(train, None, tuple(classes))
        there = _subfolders(self.test)
        if unknown := sorted(set(there) - set(classes)):
            raise DataError(f"{os.path.join(self.test, unknown[0])}: found no such class in {self.train}")
        return Dataset(train, self._samples(self.test, there, classes), tuple(classes))

    def _samples(self, root: str, folders: list[str], classes: list[str]) -> Samples:
        paths, labels = [], []
        for name in folders:
            found = _files(os.path.join(root, name))
            if not found:
                raise DataError(f"{os.path.join(root, name)}: found no pictures, expected at least one ({KINDS})")
            paths += found
            labels += [classes.index(name)] * len(found)
        if not paths:
            raise DataError(f"{root}: found no folders, expected one for each class")
        x = allocate((len(paths), *self.size, self.channels), np.uint8, root)
        read_pictures(paths, x)
        return Samples(x, np.array(labels, np.int64))


def _entries(folder: str) -> list[os.DirEntry[str]]:
    """What is in a folder, sorted by name, but for hidden files and links."""
    try:
        with os.scandir(folder) as entries:
            seen = [entry for entry in entries if not entry.name.startswith(".") and not entry.is_symlink()]
    except FileNotFoundError as error:
        raise DataError(f"{folder}: no such folder, looked for in {os.getcwd()}") from error
    except NotADirectoryError as error:
        raise DataError(f"{folder}: found a file, expected a folder") from error
    return sorted(seen, key=lambda entry: entry.name)


def _subfolders(folder: str) -> list[str]:
    return [entry.name for entry in _entries(folder) if entry.is_dir()]


def _files(folder: str) -> list[str]:
    entries = _entries(folder)
    for entry in entries:
        if not entry.is_file():
            raise DataError(f"{entry.path}: found a folder or a device, expected a picture ({KINDS})")
    return [entry.path for entry in entries]
