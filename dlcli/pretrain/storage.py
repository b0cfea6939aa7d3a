"""Where features stand: in memory, or, past a limit, in a file that is mapped into it."""

import os
import tempfile
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dlcli.errors import EnvironmentFailure
from dlcli.layers.base import Array, Shape

MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Storage:
    """Gives arrays.

    limit: bytes that an array may take in memory. folder: of the files of larger ones; None: that of temporary files.
    """

    limit: float = 4000 * MEGABYTE
    folder: Path | None = None

    def empty(self, shape: Shape, dtype: npt.DTypeLike) -> Array:
        """An uninitialised array, in memory or in a file without a name, which goes when the array or the process does.

        Raises
        ------
        EnvironmentFailure: the disk has no room for it.
        """
        size = prod(shape) * np.dtype(dtype).itemsize
        if size <= self.limit:
            return np.empty(shape, dtype)
        try:
            with tempfile.TemporaryFile(dir=self.folder) as file:
                _reserve(file.fileno(), size)
                return np.asarray(np.memmap(file, dtype, "r+", shape=shape))
        except OSError as error:
            where = self.folder or tempfile.gettempdir()
            reason = error.strerror or error
            raise EnvironmentFailure(f"{where}: cannot keep {size / 1e9:.3g} GB of features: {reason}") from error


def _reserve(file: int, size: int) -> None:
    """Take all of a file's room at once: a write into a mapped file has no way to say that the disk is full."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file, 0, size)
        return
    zeros = bytes(MEGABYTE)
    for start in range(0, size, MEGABYTE):
        os.write(file, zeros[: size - start])
