"""Scratch memory of the kernels: one array per type, grown to the largest need and kept.

Kernels run one after the other, so one workspace serves all the layers of all the networks of a thread; once every
shape has been seen nothing is allocated. Nothing in it outlives a call.
"""

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

_LOCAL = threading.local()


def _kept(name: str, dtype: Any, elements: int, make: Callable[[int, Any], Array]) -> Array:
    held: dict[Any, Array] = _LOCAL.__dict__
    array = held.get((name, dtype))
    if array is None or array.size < elements:
        array = held[name, dtype] = make(elements, dtype)
    return array


def workspace(dtype: np.dtype[Any], shared: int, workers: int, elements: int) -> tuple[Array, Array]:
    """Uninitialised scratch: (shared,) for all the workers, and (workers, elements), a row for each."""
    array = _kept("scratch", dtype, shared + workers * elements, np.empty)
    return array[:shared], array[shared : shared + workers * elements].reshape(workers, elements)


def zeros(dtype: np.dtype[Any], elements: int) -> Array:
    """At least ``elements`` zeros, never to be written: the bias of what has none."""
    return _kept("zeros", dtype, elements, np.zeros)


def ones(dtype: np.dtype[Any], elements: int) -> Array:
    """``elements`` ones, never to be written."""
    return _kept("ones", dtype, elements, np.ones)[:elements]
