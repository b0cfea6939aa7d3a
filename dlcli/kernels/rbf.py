"""Radial basis functions: squared distances from codes (LeCun et al. 1998, eq. 7).

x (N, inputs), weights (inputs, units): a column is a unit's code. y (N, units). Lanes are units: every output is one
sum over the inputs, every gradient of a weight one over the samples, in order.
"""

from typing import Any

import numpy.typing as npt

from dlcli.kernels import dense
from dlcli.kernels.launch import Kernel, Launch, Planned, array, place
from dlcli.kernels.sink import settle

Array = npt.NDArray[Any]


def _forward(p, first, last, shared, scratch):
    """Samples ``first`` … ``last``."""
    inputs, units, size = p[3], p[4], p[5]
    for n in range(first, last):
        x, y = array(p[0] + n * inputs * size, inputs, scratch), array(p[2] + n * units * size, units, scratch)
        for j in range(units):
            y[j] = 0
        for i in range(inputs):
            weights = array(p[1] + i * units * size, units, scratch)
            for j in range(units):
                difference = x[i] - weights[j]
                y[j] -= difference * difference


_FORWARD = Kernel(_forward)


@Planned
def forward(x: Array, weights: Array, y: Array) -> list[Launch]:
    """y_j ← −Σ_i (x_i − w_ij)²."""
    return [_launch(_FORWARD, len(x), x, weights, y)]


def _input_gradient(p, first, last, shared, scratch):
    """Samples ``first`` … ``last``."""
    inputs, units, size = p[3], p[4], p[5]
    for n in range(first, last):
        x, dx = array(p[0] + n * inputs * size, inputs, scratch), array(p[6] + n * inputs * size, inputs, scratch)
        dy = array(p[2] + n * units * size, units, scratch)
        for i in range(inputs):
            weights, total = array(p[1] + i * units * size, units, scratch), x.dtype.type(0)
            for j in range(units):
                total += dy[j] * (weights[j] - x[i])
            dx[i] = total + total


_INPUT_GRADIENT = Kernel(_input_gradient)


@Planned
def input_gradient(x: Array, weights: Array, dy: Array, dx: Array) -> list[Launch]:
    """dx_i ← 2 Σ_j dy_j (w_ij − x_i)."""
    return [_launch(_INPUT_GRADIENT, len(x), x, weights, dy, dx)]


def _weight_gradient(p, first, last, shared, scratch):
    """Inputs ``first`` … ``last``."""
    inputs, units, size, samples, constants = p[3], p[4], p[5], p[6], array(p[10], 3, scratch)
    x, gradient = array(p[0], samples * inputs, scratch), array(place(scratch), units, scratch)
    for i in range(first, last):
        row = i * units * size
        weights = array(p[1] + row, units, scratch)
        for j in range(units):
            gradient[j] = 0
        for n in range(samples):
            dy, value = array(p[2] + n * units * size, units, scratch), x[n * inputs + i]
            for j in range(units):
                gradient[j] += dy[j] * (value - weights[j])
        for j in range(units):
            gradient[j] += gradient[j]
        settle(p[7], gradient, array(p[8] + row, units, scratch), array(p[9] + row, units, scratch), constants)


_WEIGHT_GRADIENT = Kernel(_weight_gradient)


@Planned
def weight_gradient(
    x: Array, weights: Array, dy: Array, kind: int, target: Array, velocity: Array, constants: Array
) -> list[Launch]:
    """2 Σ_n dy_nj (x_ni − w_ij), sent to a sink shaped as the weights."""
    sink = (len(x), kind, target, velocity, constants)
    return [_launch(_WEIGHT_GRADIENT, len(weights), x, weights, dy, *sink)]


def _launch(kernel: Kernel, tasks: int, x: Array, weights: Array, y: Array, *more: Array | int) -> Launch:
    """A kernel's launch; y is the output or its gradient."""
    if (x.shape[1], y.shape[1]) != weights.shape or len(x) != len(y):
        raise ValueError(f"found codes {weights.shape} for inputs {x.shape} and outputs {y.shape}")
    arguments = (x, weights, y, *weights.shape, x.itemsize, *more)
    parallel = len(x) * weights.size >= dense.SERIAL
    return Launch(kernel, x.dtype, tasks, arguments, parallel=parallel, scratch=x.itemsize * weights.shape[1])
