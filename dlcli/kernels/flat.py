"""Sums and combinations of long vectors: what a quasi-Newton method does with all parameters at once.

Products are summed in float64, in strands of fixed places for each `BLOCK` neighbours, and the blocks in order: the
size alone decides the order, not the threads.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from dlcli.kernels.addresses import array, place, typed_array
from dlcli.kernels.launch import Kernel, Launch

Array = npt.NDArray[Any]

SERIAL = 50_000  # numbers below which waking the threads costs more than it saves
PIECE = 4096  # numbers of a task of `Combination`
BLOCK, STRANDS = 16384, 16  # numbers whose products are summed by one thread; partial sums of them


def _products(p, first, last, shared, scratch):
    """totals (blocks,) float64 ← Σ x_i y_i of each block."""
    strands, totals = typed_array(place(scratch), STRANDS, np.float64), typed_array(p[2], p[4], np.float64)
    itemsize = array(p[0], 1, scratch).itemsize
    for task in range(first, last):
        offset, size = task * BLOCK * itemsize, min(BLOCK, p[3] - task * BLOCK)
        x, y = array(p[0] + offset, size, scratch), array(p[1] + offset, size, scratch)
        for lane in range(STRANDS):
            strands[lane] = 0.0
        whole = size // STRANDS
        for block in range(whole):
            for lane in range(STRANDS):
                strands[lane] += np.float64(x[block * STRANDS + lane]) * np.float64(y[block * STRANDS + lane])
        for lane in range(size - whole * STRANDS):
            strands[lane] += np.float64(x[whole * STRANDS + lane]) * np.float64(y[whole * STRANDS + lane])
        total = 0.0
        for lane in range(STRANDS):
            total += strands[lane]
        totals[task] = total


def _combine(p, first, last, shared, scratch):
    """out ← x + a y."""
    factor = array(p[3], 1, scratch)
    offset, size = first * PIECE * factor.itemsize, min(last * PIECE, p[4]) - first * PIECE
    a, out = factor[0], array(p[0] + offset, size, scratch)
    x, y = array(p[1] + offset, size, scratch), array(p[2] + offset, size, scratch)
    for i in range(size):
        out[i] = x[i] + a * y[i]


_PRODUCTS, _COMBINE = Kernel(_products), Kernel(_combine)


class Product:
    """Σ_i x_i y_i of two vectors that stay where they are: called, it gives what it is now."""

    def __init__(self, x: Array, y: Array) -> None:
        _check(x, y)
        self._totals = np.zeros(-(-x.size // BLOCK))
        arguments = (x, y, self._totals, x.size, self._totals.size)
        self._launch = Launch(
            _PRODUCTS, x.dtype, self._totals.size, arguments, parallel=x.size >= SERIAL, scratch=8 * STRANDS
        )

    def __call__(self) -> float:
        self._launch.run()
        return sum(self._totals.tolist(), 0.0)


class Combination:
    """out ← x + a y of vectors that stay where they are, of which out and x may be one: called with a, it is done."""

    def __init__(self, out: Array, x: Array, y: Array) -> None:
        _check(out, x, y)
        self._factor = np.zeros(1, x.dtype)
        arguments = (out, x, y, self._factor, x.size)
        self._launch = Launch(_COMBINE, x.dtype, -(-x.size // PIECE), arguments, parallel=x.size >= SERIAL)

    def __call__(self, a: float) -> None:
        self._factor[0] = a
        self._launch.run()


def _check(*vectors: Array) -> None:
    """Raise ValueError for what kernels, which see addresses only, would read or write outside of a vector."""
    size, dtype = vectors[0].size, vectors[0].dtype
    if any((vector.shape, vector.dtype) != ((size,), dtype) for vector in vectors):
        raise ValueError(f"expected vectors of one size and type, found {[(v.shape, v.dtype) for v in vectors]}")
