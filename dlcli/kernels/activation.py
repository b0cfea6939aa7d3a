"""Activation functions and their slopes, elementwise and in place.

Each slope is a function of the output y = f(x) alone, so that x need not be kept.
"""

import math

from numba import njit, prange

LINEAR, SIGMOID, TANH, SCALED_TANH, RELU, SOFTPLUS = range(6)
CODES = {
    "linear": LINEAR,
    "sigmoid": SIGMOID,
    "tanh": TANH,
    "scaled_tanh": SCALED_TANH,
    "relu": RELU,
    "softplus": SOFTPLUS,
}
AMPLITUDE, STRETCH = 1.7159, 2.0 / 3.0  # LeCun's f(x) = A tanh(S x), with f(±1) = ±1


@njit(cache=True)
def activate_row(function, row):
    """row ← f(row), for a contiguous 1-D array; NaN passes through every function."""
    one = row.dtype.type(1)
    if function == SIGMOID:
        for i in range(row.size):
            row[i] = one / (one + math.exp(-row[i]))
    elif function == TANH:
        for i in range(row.size):
            row[i] = math.tanh(row[i])
    elif function == SCALED_TANH:
        for i in range(row.size):
            row[i] = row.dtype.type(AMPLITUDE) * math.tanh(row.dtype.type(STRETCH) * row[i])
    elif function == RELU:
        for i in range(row.size):
            row[i] = row.dtype.type(0) if row[i] < 0 else row[i]
    elif function == SOFTPLUS:
        for i in range(row.size):  # log(1 + e^x) without overflow
            tail = math.log1p(math.exp(-abs(row[i])))
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


@njit(cache=True, parallel=True)
def forward(function, x, y):
    """y ← f(x); x and y are (N, features)."""
    for n in prange(x.shape[0]):
        y[n] = x[n]
        activate_row(function, y[n])


@njit(cache=True, parallel=True)
def backward(function, y, dy, dx):
    """dx ← dy · f'(x), taken from y; all are (N, features), and dx may be dy."""
    for n in prange(y.shape[0]):
        dx[n] = dy[n]
        slope_row(function, y[n], dx[n])
