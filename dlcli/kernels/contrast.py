"""Brightness and contrast of whole samples."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from dlcli.kernels.addresses import array, number, place, typed_array
from dlcli.kernels.launch import Kernel, Launch, Planned

Array = npt.NDArray[Any]

STRANDS = 16


@njit(error_model="numpy")
def _power_sum(x, mean, squared, strands):
    """Σ_j (x_j − mean), or of its squares, in float64: j goes to strand j mod `STRANDS`; strands are added in order."""
    for lane in range(STRANDS):
        strands[lane] = 0.0
    for start in range(0, x.size, STRANDS):
        for lane in range(min(STRANDS, x.size - start)):
            difference = np.float64(x[start + lane]) - mean
            strands[lane] += difference * difference if squared else difference
    total = 0.0
    for lane in range(STRANDS):
        total += strands[lane]
    return total


def _normalise(p, first, last, shared, scratch):
    size, scale, bias, share, least = p[1], number(p[2]), number(p[3]), number(p[4]), number(p[5])
    itemsize, strands = array(p[0], 1, scratch).itemsize, typed_array(place(scratch), STRANDS, np.float64)
    for n in range(first, last):
        x = array(p[0] + n * size * itemsize, size, scratch)
        mean = _power_sum(x, 0.0, False, strands) / size
        deviation = math.sqrt(bias + share * _power_sum(x, mean, True, strands))
        factor = scale / max(least, deviation)
        for j in range(size):
            x[j] = (x[j] - mean) * factor


_NORMALISE = Kernel(_normalise)


@Planned
def normalise(x: Array, scale: float, bias: float, share: float, least: float) -> list[Launch]:
    """x ← scale · (x − m) / max(least, √(bias + share · Σ (x − m)²)), in place, for rows of x (N, size) with mean m.

    Not parallel, so that another thread than the one that trains may run it.
    """
    arguments = (x, x.shape[1], float(scale), float(bias), float(share), float(least))
    return [Launch(_NORMALISE, x.dtype, len(x), arguments, parallel=False, scratch=8 * STRANDS)]
