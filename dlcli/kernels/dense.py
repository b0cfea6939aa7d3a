"""The dense layer's products, eq. (2): x_j = b_j + Σ_i y_i w_ij.

Every output element is one sum, taken in the order of its index by one thread: the bits depend neither on the
number of threads nor on the other samples of the batch. The innermost loop runs over outputs, never over a sum,
so that the compiler may vectorise it without changing an order.
"""

import numpy as np
from numba import njit, prange

from dlcli.kernels.activation import activate_row
from dlcli.kernels.sink import settle

ROWS = 4  # samples that share each read of a weight


@njit(cache=True)
def _product_rows(x, weights, y, first, last):
    """y[first:last] += x[first:last] · weights."""
    row = first
    while row + ROWS <= last:
        y0, y1, y2, y3 = y[row], y[row + 1], y[row + 2], y[row + 3]
        for i in range(weights.shape[0]):
            x0, x1, x2, x3 = x[row, i], x[row + 1, i], x[row + 2, i], x[row + 3, i]
            w = weights[i]
            for j in range(w.size):
                y0[j] += x0 * w[j]
                y1[j] += x1 * w[j]
                y2[j] += x2 * w[j]
                y3[j] += x3 * w[j]
        row += ROWS
    while row < last:
        out = y[row]
        for i in range(weights.shape[0]):
            x0, w = x[row, i], weights[i]
            for j in range(w.size):
                out[j] += x0 * w[j]
        row += 1


@njit(cache=True, parallel=True)
def forward(x, weights, bias, function, y):
    """y ← f(x · weights + bias): x (N, inputs), weights (inputs, units), bias (units,), y (N, units)."""
    blocks = (x.shape[0] + ROWS - 1) // ROWS
    for block in prange(blocks):
        first, last = block * ROWS, min((block + 1) * ROWS, x.shape[0])
        for row in range(first, last):
            y[row] = bias
        _product_rows(x, weights, y, first, last)
        for row in range(first, last):
            activate_row(function, y[row])


@njit(cache=True, parallel=True)
def forward_transposed(x, weights, bias, function, y):
    """y ← f(x · weightsᵀ + bias): x (N, units), weights (inputs, units), bias (inputs,), y (N, inputs)."""
    transposed = np.ascontiguousarray(weights.T)
    blocks = (x.shape[0] + ROWS - 1) // ROWS
    for block in prange(blocks):
        first, last = block * ROWS, min((block + 1) * ROWS, x.shape[0])
        for row in range(first, last):
            y[row] = bias
        _product_rows(x, transposed, y, first, last)
        for row in range(first, last):
            activate_row(function, y[row])


@njit(cache=True, parallel=True)
def input_gradient(dy, weights, dx):
    """dx ← dy · weightsᵀ: dy (N, units), weights (inputs, units), dx (N, inputs)."""
    transposed = np.ascontiguousarray(weights.T)
    blocks = (dy.shape[0] + ROWS - 1) // ROWS
    for block in prange(blocks):
        first, last = block * ROWS, min((block + 1) * ROWS, dy.shape[0])
        dx[first:last] = 0
        _product_rows(dy, transposed, dx, first, last)


@njit(cache=True, parallel=True)
def weight_gradient(x, dy, kind, target, velocity, constants):
    """xᵀ · dy, sent to a sink: x (N, inputs), dy (N, units), target (inputs, units)."""
    for i in prange(x.shape[1]):
        total = np.zeros(dy.shape[1], dy.dtype)
        for n in range(x.shape[0]):
            a, d = x[n, i], dy[n]
            for j in range(d.size):
                total[j] += a * d[j]
        settle(kind, total, target[i], velocity[i], constants)
