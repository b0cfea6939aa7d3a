"""Batch normalisation's statistics and its gradient, channel by channel; x is (…, C), contiguous.

A block's mean comes first, then its Σ (x − mean)², so that large means cost no digits; both are float64, and the
blocks are joined in order by the formula of Chan, Golub and LeVeque (1979), which has the same merit. How blocks are
cut says `dlcli.kernels.channels`.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from dlcli.kernels import channels
from dlcli.kernels.addresses import array, number, place, typed_array
from dlcli.kernels.channels import COLUMNS, PLACES, block, clear, cut, fold, widen
from dlcli.kernels.launch import Kernel, Launch, Planned

Array = npt.NDArray[Any]


def _moments(p, first, last, shared, scratch):
    rows, channels, together, columns, chunks, height = p[0], p[1], p[2], p[3], p[4], p[5]
    size, own = array(p[6], 1, scratch).itemsize, place(scratch)
    for task in range(first, last):
        start, count, column, width = block(task, channels, together, columns, chunks, height, rows)
        full = min(together, count) * width
        sums, means = typed_array(own, full, np.float64), typed_array(own + PLACES, full, np.float64)
        out = shared + 8 * (2 * (start // height) * channels + column)
        mean = typed_array(out, width, np.float64)
        clear(sums)
        for row in range(start, start + count, together):
            wide = min(together, start + count - row) * width
            x = array(p[6] + (row * channels + column) * size, wide, scratch)
            for i in range(x.size):
                sums[i] += x[i]
        fold(sums, mean)
        for c in range(width):
            mean[c] /= count
        widen(mean, means)
        clear(sums)
        for row in range(start, start + count, together):
            wide = min(together, start + count - row) * width
            x = array(p[6] + (row * channels + column) * size, wide, scratch)
            for i in range(x.size):
                away = x[i] - means[i]
                sums[i] += away * away
        fold(sums, typed_array(out + 8 * channels, width, np.float64))


def _statistics(p, first, last, shared, scratch):
    """Mean and factors of some channels; of a batch in `p[1]` blocks, or, where there are none, the running ones."""
    channels, blocks, height, rows = p[0], p[1], p[2], p[3]
    momentum, epsilon = number(p[4]), number(p[5])
    weights = array(p[6], channels, scratch)
    running_mean, running_variance = array(p[7], channels, scratch), array(p[8], channels, scratch)
    mean, inverse, factor = (
        array(p[9], channels, scratch),
        array(p[10], channels, scratch),
        array(p[11], channels, scratch),
    )
    partial = typed_array(shared, 2 * blocks * channels, np.float64)
    for c in range(first * COLUMNS, min(last * COLUMNS, channels)):
        center, variance, squares, seen = np.float64(running_mean[c]), np.float64(running_variance[c]), 0.0, 0
        if blocks:
            center = np.float64(0)
            for index in range(blocks):
                count = min(height, rows - seen)
                away = partial[2 * index * channels + c] - center
                center += away * (count / (seen + count))
                squares += partial[(2 * index + 1) * channels + c] + away * away * (seen * count / (seen + count))
                seen += count
            variance = squares / rows
            unbiased = squares / max(rows - 1, 1)
            running_mean[c] = momentum * running_mean[c] + (1 - momentum) * center
            running_variance[c] = momentum * running_variance[c] + (1 - momentum) * unbiased
        mean[c] = center
        inverse[c] = 1 / math.sqrt(variance + epsilon)
        factor[c] = weights[c] / math.sqrt(variance + epsilon)


def _input_gradient(p, first, last, shared, scratch):
    rows, channels, together, columns, chunks, height = p[0], p[1], p[2], p[3], p[4], p[5]
    size, own = array(p[6], 1, scratch).itemsize, place(scratch)
    for task in range(first, last):
        start, count, column, width = block(task, channels, together, columns, chunks, height, rows)
        full = min(together, count) * width
        mean, factor = array(own, full, scratch), array(own + PLACES, full, scratch)
        level, slope = array(own + 2 * PLACES, full, scratch), array(own + 3 * PLACES, full, scratch)
        widen(array(p[9] + column * size, width, scratch), mean)
        widen(array(p[11] + column * size, width, scratch), factor)
        widen(array(p[12] + column * size, width, scratch), level)
        widen(array(p[13] + column * size, width, scratch), slope)
        inverse = array(p[10] + column * size, width, scratch)
        for i in range(full):
            level[i] /= rows
            slope[i] *= inverse[i % width] / rows
        for row in range(start, start + count, together):
            home = (row * channels + column) * size
            d = array(p[6] + home, min(together, start + count - row) * width, scratch)
            x, dx = array(p[7] + home, d.size, scratch), array(p[8] + home, d.size, scratch)
            for i in range(d.size):
                dx[i] = (d[i] - level[i] - (x[i] - mean[i]) * slope[i]) * factor[i]


_MOMENTS, _STATISTICS, _INPUT_GRADIENT = Kernel(_moments), Kernel(_statistics), Kernel(_input_gradient)


@Planned
def batch_statistics(
    x: Array, momentum: float, epsilon: float, weights: Array, running: tuple[Array, Array], found: Array
) -> list[Launch]:
    """found (3, C) ← the batch's mean, 1 / √(variance + ε) and weights / √(variance + ε).

    The variance is biased. ``running`` (mean, variance) ← momentum · itself + (1 − momentum) · the batch's, here the
    unbiased variance; of one value the biased one, 0.
    """
    shape, parallel = cut(x, weights.size), x.size >= channels.SERIAL
    shared = shape.partial_bytes
    moments = Launch(_MOMENTS, x.dtype, shape.tasks, (*shape, x), parallel=parallel, shared=shared, scratch=2 * PLACES)
    arguments = (
        shape.channels, shape.blocks, shape.height, shape.rows, float(momentum), float(epsilon), weights,
        *running, *found,
    )  # fmt: skip
    tasks = -(-shape.channels // COLUMNS)
    return [moments, Launch(_STATISTICS, x.dtype, tasks, arguments, parallel=parallel, shared=shared)]


@Planned
def running_statistics(epsilon: float, weights: Array, running: tuple[Array, Array], found: Array) -> list[Launch]:
    """found (3, C) ← the running mean, 1 / √(variance + ε) and weights / √(variance + ε)."""
    size = found.shape[1]
    arguments = (size, 0, 0, 0, 0.0, float(epsilon), weights, *running, *found)
    return [Launch(_STATISTICS, found.dtype, -(-size // COLUMNS), arguments, parallel=False)]


@Planned
def input_gradient(d: Array, x: Array, found: Array, totals: Array, dx: Array) -> list[Launch]:
    """dx ← (d − mean(d) − x̂ · mean(d · x̂)) · factor, with x̂ = (x − mean) · inverse.

    ``found`` (3, C) is (mean, inverse, factor); ``totals`` (2, C) the sums of d and of d · x̂. It is the chain rule of
    Ioffe and Szegedy (section 3), with the gradients that pass through mean and variance put in.
    """
    shape = cut(d, found.shape[1])
    arguments = (*shape, d, x, dx, *found, *totals)
    parallel = d.size >= channels.SERIAL
    return [Launch(_INPUT_GRADIENT, d.dtype, shape.tasks, arguments, parallel=parallel, scratch=4 * PLACES)]
