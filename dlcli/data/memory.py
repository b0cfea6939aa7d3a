"""Memory for data, taken only when the machine has it."""

import math
import os

import numpy as np
import numpy.typing as npt

from dlcli.errors import EnvironmentFailure
from dlcli.layers.base import Array, Shape


def allocate(shape: Shape, dtype: npt.DTypeLike, place: str) -> Array:
    """An uninitialised array; raises `EnvironmentFailure`, stating the bytes, where it cannot be had."""
    needed = math.prod(shape) * np.dtype(dtype).itemsize
    physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    try:
        if needed <= physical:
            return np.empty(shape, dtype)
    except MemoryError:
        pass
    raise EnvironmentFailure(
        f"{place}: needs {needed:,} bytes of memory for an array of shape {list(shape)}, "
        f"more than can be had (the machine has {physical:,})"
    )
