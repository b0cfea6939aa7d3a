"""Radial basis functions: squared distances from codes (LeCun et al. 1998, eq. 7).

x (N, inputs), weights (inputs, units): a column is a unit's code. y (N, units); γ is a factor on the distances. Lanes
are units: every output is one sum over the inputs, every gradient of a weight one over the samples, in order.
"""

from typing import Any

import numpy.typing as npt

from dlcli.kernels import dense
from dlcli.kernels.addresses import array, number, place
from dlcli.kernels.launch import Argument, Kernel, Launch, Planned
from dlcli.kernels.sink import settle

Array = npt.NDArray[Any]


def _forward(p, first, last, shared, scratch):
    """Samples ``first`` … ``last``."""
    inputs, units, size, gamma = p[3], p[4], p[5], number(p[6])
    for n in range(first, last):
        x, y = array(p[0] + n * inputs * size, inputs, scratch), array(p[2] + n * units * size, units, scratch)
        for j in range(units):
            y[j] = 0
        for i in range(inputs):
            weights = array(p[1] + i * units * size, units, scratch)
            for j in range(units):
                difference = x[i] - weights[j]
                y[j] -= difference * difference
        for j in range(units):
            y[j] *= gamma


_FORWARD = Kernel(_forward)


@Planned
def forward(x: Array, weights: Array, gamma: float, y: Array) -> list[Launch]:
    """y_j ← −γ Σ_i (x_i − w_ij)²."""
    return [_launch(_FORWARD, len(x), x, weights, y, float(gamma))]


def _input_gradient(p, first, last, shared, scratch):
    """Samples ``first`` … ``last``."""
    inputs, units, size, slope = p[3], p[4], p[5], 2 * number(p[6])
    for n in range(first, last):
        x, dx = array(p[0] + n * inputs * size, inputs, scratch), array(p[7] + n * inputs * size, inputs, scratch)
        dy = array(p[2] + n * units * size, units, scratch)
        for i in range(inputs):
            weights, total = array(p[1] + i * units * size, units, scratch), x.dtype.type(0)
            for j in range(units):
                total += dy[j] * (weights[j] - x[i])
            dx[i] = slope * total


_INPUT_GRADIENT = Kernel(_input_gradient)


@Planned
def input_gradient(x: Array, weights: Array, gamma: float, dy: Array, dx: Array) -> list[Launch]:
    """dx_i ← 2γ Σ_j dy_j (w_ij − x_i)."""
    return [_launch(_INPUT_GRADIENT, len(x), x, weights, dy, float(gamma), dx)]


def _weight_gradient(p, first, last, shared, scratch):
    """Inputs ``first`` … ``last``."""
    inputs, units, size, slope, samples = p[3], p[4], p[5], 2 * number(p[6]), p[7]
    constants = array(p[11], 3, scratch)
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
            gradient[j] *= slope
        settle(p[8], gradient, array(p[9] + row, units, scratch), array(p[10] + row, units, scratch), constants)


_WEIGHT_GRADIENT = Kernel(_weight_gradient)


@Planned
def weight_gradient(
    x: Array, weights: Array, gamma: float, dy: Array, kind: int, target: Array, velocity: Array, constants: Array
) -> list[Launch]:
    """2γ Σ_n dy_nj (x_ni − w_ij), sent to a sink shaped as the weights."""
    more = (float(gamma), len(x), kind, target, velocity, constants)
    return [_launch(_WEIGHT_GRADIENT, len(weights), x, weights, dy, *more)]


def _launch(kernel: Kernel, tasks: int, x: Array, weights: Array, y: Array, *more: Argument) -> Launch:
    """A kernel's launch; y is the output or its gradient."""
    if (x.shape[1], y.shape[1]) != weights.shape or len(x) != len(y):
        raise ValueError(f"found codes {weights.shape} for inputs {x.shape} and outputs {y.shape}")
    arguments = (x, weights, y, *weights.shape, x.itemsize, *more)
    parallel = len(x) * weights.size >= dense.SERIAL
    return Launch(kernel, x.dtype, tasks, arguments, parallel=parallel, scratch=x.itemsize * weights.shape[1])
