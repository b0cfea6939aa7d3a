"""Activation functions and their slopes, elementwise and in place.

Each slope is a function of the output y = f(x) alone, so that x need not be kept.
"""

import functools
from typing import Any

import numpy as np
from llvmlite import ir
from numba import cfunc, njit, types
from numba.extending import intrinsic
from numba.np.numpy_support import carray

from dlcli.kernels import vectors
from dlcli.kernels.exponential import exp, log1p, sigmoid, softplus_slope, tanh
from dlcli.kernels.launch import Kernel, Launch, Planned, address_of, array, place

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
        zero = row.dtype.type(0)
        for i in range(row.size):
            row[i] = (zero if row[i] < 0 else row[i]) + zero  # a sum is always stored: no branch, so it vectorises
    elif function == SOFTPLUS:
        for i in range(row.size):  # log(1 + e^x) without overflow
            tail = log1p(exp(-abs(row[i])))
            row[i] = tail if row[i] < 0 else row[i] + tail


def _as_pointer(typing, address):
    def codegen(context, builder, signature, arguments):
        return builder.inttoptr(arguments[0], context.get_value_type(types.voidptr))

    return types.voidptr(types.intp), codegen


_pointer: Any = intrinsic(_as_pointer)


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
    activate_row(function, carray(_pointer(start), (size,), np.float32))


def _activate64(function, start, size):
    activate_row(function, carray(_pointer(start), (size,), np.float64))


@functools.cache
def _compiled(itemsize: int) -> Any:
    signature = types.void(*[types.intp] * 3)
    return cfunc(signature, cache=True)(_activate32 if itemsize == 4 else _activate64)


def address(itemsize: int) -> int:
    """`activate_row` of float32 (4) or float64 (8) as a C function: compiled once rather than into every kernel."""
    return itemsize if vectors.JIT_OFF else int(_compiled(itemsize).address)


# activate(address, function, start, size): f on ``size`` elements from an integer address on.
activate: Any = _call_twin if vectors.JIT_OFF else _call


@njit(cache=True, error_model="numpy")
def slope_row(function, y, dy, dx):
    """dx ← dy · f'(x), with f' taken from y = f(x), for contiguous 1-D arrays."""
    zero, one = dx.dtype.type(0), dx.dtype.type(1)
    if function == SIGMOID:
        for i in range(y.size):
            dx[i] = dy[i] * (y[i] * (one - y[i]))
    elif function == TANH:
        for i in range(y.size):
            dx[i] = dy[i] * (one - y[i] * y[i])
    elif function == SCALED_TANH:
        scale, inverse = dx.dtype.type(AMPLITUDE * STRETCH), dx.dtype.type(1 / AMPLITUDE)
        for i in range(y.size):
            t = y[i] * inverse
            dx[i] = dy[i] * (scale * (one - t * t))
    elif function == RELU:
        for i in range(y.size):
            dx[i] = dy[i] if y[i] > 0 else zero
    elif function == SOFTPLUS:
        for i in range(y.size):  # sigmoid(x) = 1 − e^(−y)
            dx[i] = dy[i] * softplus_slope(y[i])
    else:
        for i in range(y.size):
            dx[i] = dy[i]


def _flat(array: Array) -> Array:
    """A contiguous array as one row, without a copy."""
    if not array.flags.c_contiguous:
        raise ValueError(f"the array must be contiguous, found strides {array.strides}")
    return array.reshape(-1)


def _forward(p, first, last, shared, scratch):
    begin, size = first * PIECE, min(last * PIECE, p[4]) - first * PIECE
    itemsize = array(p[2], 1, scratch).itemsize
    x, y = array(p[2] + begin * itemsize, size, scratch), array(p[3] + begin * itemsize, size, scratch)
    for start in range(0, size, PIECE):  # while the piece is in cache
        for i in range(start, min(start + PIECE, size)):
            y[i] = x[i]
        activate(p[0], p[1], p[3] + (begin + start) * itemsize, min(PIECE, size - start))


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
        home, size = task * PIECE * itemsize, min(PIECE, p[4] - task * PIECE)
        y, dy, dx = (
            array(p[1] + home, size, scratch),
            array(p[2] + home, size, scratch),
            array(p[3] + home, size, scratch),
        )
        if p[2] != p[3]:
            slope_row(p[0], y, dy, dx)
        else:  # by way of scratch: LLVM's vector loops are for arrays apart, its others take a branch for each number
            result = array(place(scratch), size, scratch)
            slope_row(p[0], y, dy, result)
            for i in range(size):
                dx[i] = result[i]


_BACKWARD = Kernel(_backward)


@Planned
def backward(function: int, y: Array, dy: Array, dx: Array) -> list[Launch]:
    """dx ← dy · f'(x), taken from y, for contiguous arrays of one size; dx may be dy."""
    y, dy, dx = _flat(y), _flat(dy), _flat(dx)
    if function == LINEAR and address_of(dx) == address_of(dy):
        return []
    arguments = (function, y, dy, dx, y.size)
    scratch = PIECE * y.itemsize
    return [Launch(_BACKWARD, y.dtype, -(-y.size // PIECE), arguments, parallel=y.size >= SERIAL, scratch=scratch)]
