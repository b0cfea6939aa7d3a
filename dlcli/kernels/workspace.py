"""Scratch memory of the kernels: one array per type, grown to the largest need and kept.

Kernels run one after the other, so one workspace serves all the layers of all the networks of a thread; once every
shape has been seen nothing is allocated. Nothing in it outlives a call.
"""

import threading
from typing import Any

import numpy as np
import numpy.typing as npt

_LOCAL = threading.local()


def workspace(dtype: Any, workers: int, elements: int) -> npt.NDArray[Any]:
    """(workers, at least ``elements``) of uninitialised scratch, a row for each worker."""
    held: dict[Any, npt.NDArray[Any]] = _LOCAL.__dict__
    key = np.dtype(dtype).char
    kept = held.get(key)
    if kept is None or kept.size < workers * elements:
        kept = held[key] = np.empty(workers * elements, dtype)
    return kept[: workers * elements].reshape(workers, elements)


def zeros(dtype: Any, elements: int) -> npt.NDArray[Any]:
    """At least ``elements`` zeros, never to be written: the bias of what has none."""
    held: dict[Any, npt.NDArray[Any]] = _LOCAL.__dict__
    key = "zeros " + np.dtype(dtype).char
    kept = held.get(key)
    if kept is None or kept.size < elements:
        kept = held[key] = np.zeros(elements, dtype)
    return kept
