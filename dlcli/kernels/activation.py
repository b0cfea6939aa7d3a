"""Activation functions and their slopes, elementwise and in place.

Each slope is a function of the output y = f(x) alone, so that x need not be kept.
"""

import math
from typing import Any

import numpy as np
from numba import get_num_threads, njit, prange

from dlcli.kernels.exponential import exp, sigmoid, tanh

Array = np.ndarray[Any, Any]

LINEAR, SIGMOID, TANH, SCALED_TANH, RELU, SOFTPLUS = range(6)
CODES = {
    "linear": LINEAR,
    "sigmoid": SIGMOID,
    "tanh": TANH,
    "scaled_tanh": SCALED_TANH,
    "relu": RELU,
    "softplus": SOFTPLUS,
}
SERIAL = 20_000  # elements below which waking the threads costs more than it saves
AMPLITUDE, STRETCH = 1.7159, 2.0 / 3.0  # LeCun's f(x) = A tanh(S x), with f(±1) = ±1


@njit(cache=True, error_model="numpy")  # Python's model tests each divisor, and would keep the loops scalar
def activate_row(function, row):
    """row ← f(row), for a contiguous 1-D array; NaN passes through every function."""
    if function == SIGMOID:
        for i in range(row.size):
            row[i] = sigmoid(row[i])
    elif function == TANH:
        for i in range(row.size):
            row[i] = tanh(row[i])
    elif function == SCALED_TANH:
        amplitude, stretch = row.dtype.type(AMPLITUDE), row.dtype.type(STRETCH)
        for i in range(row.size):
            row[i] = amplitude * tanh(stretch * row[i])
    elif function == RELU:
        for i in range(row.size):
            row[i] = row.dtype.type(0) if row[i] < 0 else row[i]
    elif function == SOFTPLUS:
        for i in range(row.size):  # log(1 + e^x) without overflow
            tail = math.log1p(exp(-abs(row[i])))
            row[i] = tail if row[i] < 0 else row[i] + tail


@njit(cache=True)
def slope_row(function, y, d):
    """d ← d · f'(x), with f' taken from y = f(x), for contiguous 1-D arrays."""
    one = d.dtype.type(1)
    if function == SIGMOID:
        for i in range(y.size):
            d[i] *= y[i] * (one - y[i])
    elif function == TANH:
        for i in range(y.size):
            d[i] *= one - y[i] * y[i]
    elif function == SCALED_TANH:
        scale, inverse = d.dtype.type(AMPLITUDE * STRETCH), d.dtype.type(1 / AMPLITUDE)
        for i in range(y.size):
            t = y[i] * inverse
            d[i] *= scale * (one - t * t)
    elif function == RELU:
        for i in range(y.size):
            d[i] = d[i] if y[i] > 0 else d.dtype.type(0)
    elif function == SOFTPLUS:
        for i in range(y.size):  # sigmoid(x) = 1 − e^(−y)
            d[i] *= -math.expm1(-y[i])


@njit(cache=True)
def _forward(function, x, y):
    for i in range(x.size):  # y[:] = x would go by a copy where y is x
        y[i] = x[i]
    activate_row(function, y)


@njit(cache=True)
def _backward(function, y, dy, dx):
    for i in range(dy.size):
        dx[i] = dy[i]
    slope_row(function, y, dx)


@njit(cache=True, parallel=True)
def _parallel_forward(workers, function, x, y):
    for worker in prange(workers):
        first, last = worker * x.size // workers, (worker + 1) * x.size // workers
        _forward(function, x[first:last], y[first:last])


@njit(cache=True, parallel=True)
def _parallel_backward(workers, function, y, dy, dx):
    for worker in prange(workers):
        first, last = worker * y.size // workers, (worker + 1) * y.size // workers
        _backward(function, y[first:last], dy[first:last], dx[first:last])


def _flat(array: Array) -> Array:
    """A contiguous array as one row, without a copy."""
    if not array.flags.c_contiguous:
        raise ValueError(f"the array must be contiguous, found strides {array.strides}")
    return array.reshape(-1)


def forward(function: int, x: Array, y: Array) -> None:
    """y ← f(x), for contiguous arrays of one size; y may be x."""
    if x.size < SERIAL:
        _forward(function, _flat(x), _flat(y))
    else:
        _parallel_forward(get_num_threads(), function, _flat(x), _flat(y))


def backward(function: int, y: Array, dy: Array, dx: Array) -> None:
    """dx ← dy · f'(x), taken from y, for contiguous arrays of one size; dx may be dy."""
    if y.size < SERIAL:
        _backward(function, _flat(y), _flat(dy), _flat(dx))
    else:
        _parallel_backward(get_num_threads(), function, _flat(y), _flat(dy), _flat(dx))
