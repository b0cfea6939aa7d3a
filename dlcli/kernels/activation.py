"""Activation functions and their slopes, elementwise and in place.

Each slope is a function of the output y = f(x) alone, so that x need not be kept.
"""

import functools
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from dlcli.kernels import machine_code, vectors
from dlcli.kernels.addresses import array, typed_array
from dlcli.kernels.exponential import exp, log1p, sigmoid, softplus_slope, tanh
from dlcli.kernels.launch import Kernel, Launch, Planned, Rows, address_of

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
PIECE = 1024  # elements of a task
SERIAL = 20_000  # elements below which waking the threads costs more than it saves
AMPLITUDE, STRETCH = 1.7159, 2.0 / 3.0  # LeCun's f(x) = A tanh(S x), with f(±1) = ±1


@njit(error_model="numpy")  # Python's model tests each divisor, and would keep the loops scalar
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
        zero = row.dtype.type(0)
        for i in range(row.size):
            row[i] = (zero if row[i] < zero else row[i]) + zero  # a sum is always stored: no branch, so it vectorises
    elif function == SOFTPLUS:
        for i in range(row.size):  # log(1 + e^x) without overflow
            tail = log1p(exp(-abs(row[i])))
            row[i] = tail if row[i] < 0 else row[i] + tail


@intrinsic
def _call(typing, activate, function, start, size):
    def codegen(context, builder, signature, arguments):
        kind = ir.FunctionType(ir.VoidType(), [vectors.I64] * 3).as_pointer()
        builder.call(builder.inttoptr(arguments[0], kind), arguments[1:])
        return context.get_dummy_value()

    return types.void(*[types.intp] * 4), codegen


def _call_twin(itemsize, function, start, size):
    activate_row(function, vectors.view(start, (1, size), (size, 1), itemsize)[0])


def _activate32(function, start, size):
    activate_row(function, typed_array(start, size, np.float32))


def _activate64(function, start, size):
    activate_row(function, typed_array(start, size, np.float64))


@functools.cache
def address(itemsize: int) -> int:
    """`activate_row` of float32 (4) or float64 (8) as a C function: compiled once rather than into every kernel."""
    if vectors.JIT_OFF:
        return itemsize
    return machine_code.address(_activate32 if itemsize == 4 else _activate64, types.void(*[types.intp] * 3))


# activate(address, function, start, size): f on ``size`` elements from an integer address on.
activate: Any = _call_twin if vectors.JIT_OFF else _call


@njit
def activate_rows(activation, function, start, rows, columns, apart, size):
    """`activate` for ``rows`` rows of ``columns`` numbers of ``size`` bytes, from one to the next ``apart`` numbers."""
    if apart == columns:
        activate(activation, function, start, rows * columns)
        return
    for row in range(rows):
        activate(activation, function, start + size * row * apart, columns)


@njit(error_model="numpy")
def slope_row(function, y, d):
    """d ← d · f'(x), with f' taken from y = f(x), for contiguous 1-D arrays.

    In place: a loop over two arrays that may be one is not a loop of vectors.
    """
    zero, one = d.dtype.type(0), d.dtype.type(1)
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
            d[i] *= d.dtype.type(y[i] > zero)  # a choice between d and 0 would load d by masks, four times slower
    elif function == SOFTPLUS:
        for i in range(y.size):  # sigmoid(x) = 1 − e^(−y)
            d[i] *= softplus_slope(y[i])


@njit
def _copy(source, target, size, like):
    """``size`` numbers from one address to another, unless it is the same."""
    if source != target:
        x, y = array(source, size, like), array(target, size, like)
        for i in range(size):
            y[i] = x[i]


@njit
def slope_rows(function, y, y_apart, d, d_apart, out, rows, columns, like):
    """out (rows, columns), contiguous, ← d · f'(x); rows of y and d lie as far apart as is said; addresses all."""
    size = array(out, 1, like).itemsize
    for row in range(rows):
        target = out + size * row * columns
        _copy(d + size * row * d_apart, target, columns, like)
        if function != LINEAR:
            slope_row(function, array(y + size * row * y_apart, columns, like), array(target, columns, like))


def _flat(array: Array) -> Array:
    """A contiguous array as one row, without a copy."""
    if not array.flags.c_contiguous:
        raise ValueError(f"the array must be contiguous, found strides {array.strides}")
    return array.reshape(-1)


def _forward(p, first, last, shared, scratch):
    itemsize = array(p[2], 1, scratch).itemsize
    for task in range(first, last):
        begin, size = task * PIECE, min(PIECE, p[4] - task * PIECE)
        _copy(p[2] + begin * itemsize, p[3] + begin * itemsize, size, scratch)
        activate(p[0], p[1], p[3] + begin * itemsize, size)


_FORWARD = Kernel(_forward)


@Planned
def forward(function: int, x: Array, y: Array) -> list[Launch]:
    """y ← f(x), for contiguous arrays of one size; y may be x."""
    x, y = _flat(x), _flat(y)
    if function == LINEAR and address_of(x) == address_of(y):
        return []
    arguments = (address(y.itemsize), function, x, y, x.size)
    return [Launch(_FORWARD, y.dtype, -(-x.size // PIECE), arguments, parallel=x.size >= SERIAL)]


def _backward(p, first, last, shared, scratch):
    itemsize = array(p[1], 1, scratch).itemsize
    for task in range(first, last):
        begin, size = task * PIECE, min(PIECE, p[4] - task * PIECE)
        _copy(p[2] + begin * itemsize, p[3] + begin * itemsize, size, scratch)
        y, dx = array(p[1] + begin * itemsize, size, scratch), array(p[3] + begin * itemsize, size, scratch)
        slope_row(p[0], y, dx)


_BACKWARD = Kernel(_backward)


@Planned
def backward(function: int, y: Array, dy: Array, dx: Array) -> list[Launch]:
    """dx ← dy · f'(x), taken from y, for contiguous arrays of one size; dx may be dy."""
    y, dy, dx = _flat(y), _flat(dy), _flat(dx)
    if function == LINEAR and address_of(dx) == address_of(dy):
        return []
    arguments = (function, y, dy, dx, y.size)
    return [Launch(_BACKWARD, y.dtype, -(-y.size // PIECE), arguments, parallel=y.size >= SERIAL)]


def _backward_rows(p, first, last, shared, scratch):
    size = array(p[1], 1, scratch).itemsize
    for task in range(first, last):
        begin = task * p[7]
        rows = min(p[7], p[6] - begin)
        y, d = p[1] + size * begin * p[2], p[3] + size * begin * p[4]
        slope_rows(p[0], y, p[2], d, p[4], p[5] + size * begin * p[8], rows, p[8], scratch)


_BACKWARD_ROWS = Kernel(_backward_rows)


@Planned
def backward_rows(function: int, y: Array, dy: Array, dx: Array) -> list[Launch]:
    """`backward` for arrays (…, columns), of which y and dy are parts of larger ones, see `Rows`; dx is contiguous."""
    columns, (ys, dys) = dx.shape[-1], map(Rows, (y, dy))
    rows, together = dx.size // columns, max(1, PIECE // columns)
    arguments = (function, ys, ys.apart, dys, dys.apart, dx, rows, together, columns)
    return [Launch(_BACKWARD_ROWS, dx.dtype, -(-rows // together), arguments, parallel=dx.size >= SERIAL)]
