"""The contractive penalty (S. Rifai et al., "Contractive auto-encoders: explicit invariance during feature extraction",
ICML 2011, eq. 3): the squared Frobenius norm of a layer's Jacobian.

For h = f(b + x W), with W (inputs, units), it is Σ_j f'_j² Σ_i w_ij²; its mean over N samples, Σ_j m_j s_j with
m_j = mean f'_j² and s_j = Σ_i w_ij². f' is h (1 − h) of sigmoid units, 1 − h² of tanh. Sums over samples and inputs
are each made by one thread, in order.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from dlcli.kernels.addresses import array, number, place, typed_array
from dlcli.kernels.constants import COLUMNS
from dlcli.kernels.launch import Kernel, Launch, Planned
from dlcli.kernels.sink import settle

Array = npt.NDArray[Any]

SERIAL = 20_000  # numbers below which waking the threads costs more than it saves


def _mean_squares(p, first, last, shared, scratch):
    rows, units, slopes, sigmoid = p[2], p[3], p[4], p[5]
    begin, end = first * COLUMNS, min(last * COLUMNS, units)
    itemsize = array(p[0], 1, scratch).itemsize
    total = array(p[1] + begin * itemsize, end - begin, scratch)
    one = total.dtype.type(1)
    for j in range(total.size):
        total[j] = 0
    for n in range(rows):
        x = array(p[0] + (n * units + begin) * itemsize, end - begin, scratch)
        for j in range(total.size):
            value = x[j]
            if slopes:
                value = value * (one - value) if sigmoid else one - value * value
            total[j] += value * value
    if slopes:
        divisor = total.dtype.type(rows)
        for j in range(total.size):
            total[j] /= divisor


_MEAN_SQUARES = Kernel(_mean_squares)


def _by_columns(x: Array, total: Array, slopes: bool, sigmoid: bool) -> list[Launch]:
    arguments = (x, total, *x.shape, slopes, sigmoid)
    return [Launch(_MEAN_SQUARES, x.dtype, -(-x.shape[1] // COLUMNS), arguments, parallel=x.size >= SERIAL)]


@Planned
def weight_norms(weights: Array, total: Array) -> list[Launch]:
    """total (units,) ← s_j = Σ_i w_ij² of weights (inputs, units)."""
    return _by_columns(weights, total, False, False)


@Planned
def mean_slopes(h: Array, sigmoid: bool, mean: Array) -> list[Launch]:
    """mean (units,) ← m_j, the mean over h (N, units) of f'²: of ``sigmoid`` units, or of tanh."""
    return _by_columns(h, mean, True, sigmoid)


def _penalty(p, first, last, shared, scratch):
    norms, slopes, total = array(p[0], p[3], scratch), array(p[1], p[3], scratch), typed_array(p[2], 1, np.float64)
    total[0] = 0.0
    for j in range(norms.size):
        total[0] += np.float64(norms[j]) * np.float64(slopes[j])


_PENALTY = Kernel(_penalty)


@Planned
def penalty(norms: Array, slopes: Array, total: Array) -> list[Launch]:
    """total (1,) float64 ← Σ_j m_j s_j."""
    return [Launch(_PENALTY, norms.dtype, 1, (norms, slopes, total, norms.size), parallel=False)]


def _input_gradient(p, first, last, shared, scratch):
    units, sigmoid, itemsize = p[4], p[5], array(p[0], 1, scratch).itemsize
    norms = array(p[1], units, scratch)
    one, two, factor = norms.dtype.type(1), norms.dtype.type(2), norms.dtype.type(2.0 * number(p[3]))
    for n in range(first, last):
        h, d = array(p[0] + n * units * itemsize, units, scratch), array(p[2] + n * units * itemsize, units, scratch)
        for j in range(units):
            value = h[j]
            slope = value * (one - value) if sigmoid else one - value * value
            bend = one - two * value if sigmoid else -two * value
            d[j] += factor * norms[j] * (slope * bend)


_INPUT_GRADIENT = Kernel(_input_gradient)


@Planned
def input_gradient(h: Array, norms: Array, sigmoid: bool, weight: float, d: Array) -> list[Launch]:
    """d (N, units) += weight / N · s_j · d f'² / d h."""
    arguments = (h, norms, d, float(weight) / len(h), h.shape[1], sigmoid)
    return [Launch(_INPUT_GRADIENT, h.dtype, len(h), arguments, parallel=h.size >= SERIAL)]


def _weight_gradient(p, first, last, shared, scratch):
    units, kind, itemsize = p[3], p[4], array(p[0], 1, scratch).itemsize
    slopes, gradient, constants = array(p[1], units, scratch), array(place(scratch), units, scratch), p[7]
    factor = slopes.dtype.type(2.0 * number(p[2]))
    for i in range(first, last):
        row = i * units * itemsize
        weights = array(p[0] + row, units, scratch)
        for j in range(units):
            gradient[j] = factor * slopes[j] * weights[j]
        settle(
            kind, gradient, array(p[5] + row, units, scratch), array(p[6] + row, units, scratch),
            array(constants, 3, scratch),
        )  # fmt: skip


_WEIGHT_GRADIENT = Kernel(_weight_gradient)


@Planned
def weight_gradient(
    weights: Array, slopes: Array, weight: float, kind: int, target: Array, velocity: Array, constants: Array
) -> list[Launch]:
    """2 · weight · w_ij m_j, row by row, to its sink (see `dlcli.kernels.sink`)."""
    inputs, units = weights.shape
    arguments = (weights, slopes, float(weight), units, kind, target, velocity, constants)
    scratch = weights[0].nbytes
    return [
        Launch(_WEIGHT_GRADIENT, weights.dtype, inputs, arguments, parallel=weights.size >= SERIAL, scratch=scratch)
    ]
