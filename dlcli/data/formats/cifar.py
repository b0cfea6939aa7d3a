"""CIFAR's binary version: records of label bytes and 3 × 32 × 32 bytes, a plane a colour.

A. Krizhevsky, "Learning multiple layers of features from tiny images" (2009).
https://www.cs.toronto.edu/~kriz/cifar.html
"""

import os

import numpy as np

from dlcli.data.files import open_file
from dlcli.errors import DataError
from dlcli.layers.base import Array

IMAGE = (3, 32, 32)
PIXELS = 3072


def read_records(path: str, label_bytes: int) -> tuple[Array, Array]:
    """Images (N, 32, 32, 3) uint8 and label bytes (N, label_bytes) uint8 of a file."""
    record = label_bytes + PIXELS
    with open_file(path) as file:
        if file.size % record:
            raise DataError(f"{path}: found {file.size:,} bytes, expected a multiple of {record}")
        records = file.read_array((file.size // record, record), np.dtype(np.uint8), 0)
    images = records[:, label_bytes:].reshape(-1, *IMAGE).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(images), records[:, :label_bytes].copy()


def read_names(path: str, count: int) -> tuple[int | str, ...]:
    """The class names of a file, one a line; the classes' indices where there is no such file."""
    if not os.path.exists(path):
        return tuple(range(count))
    with open_file(path) as file:
        text = file.stream.read(1 << 16).decode("utf-8", "replace")
    names = [line.strip() for line in text.splitlines() if line.strip()]
    if len(set(names)) != count or len(names) != count:
        raise DataError(f"{path}: found {len(names)} names, expected {count} different ones, one a line")
    return tuple(names)
