"""What many kernels use: zeros and ones, an array per type, grown to the largest need and kept; and a task's width."""

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

COLUMNS = 64  # units of a task that sums over rows: whole cache lines, so that no two threads write to one
_LOCAL = threading.local()


def _kept(name: str, dtype: Any, elements: int, make: Callable[[int, Any], Array]) -> Array:
    held: dict[Any, Array] = _LOCAL.__dict__
    array = held.get((name, dtype))
    if array is None or array.size < elements:
        array = held[name, dtype] = make(elements, dtype)
    return array


def zeros(dtype: np.dtype[Any], elements: int) -> Array:
    """At least ``elements`` zeros, never to be written: the bias of what has none."""
    return _kept("zeros", dtype, elements, np.zeros)


def ones(dtype: np.dtype[Any], elements: int) -> Array:
    """``elements`` ones, never to be written."""
    return _kept("ones", dtype, elements, np.ones)[:elements]
