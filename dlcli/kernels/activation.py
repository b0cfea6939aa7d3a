"""Activation functions and their slopes, elementwise and in place.

Each slope is a function of the output y = f(x) alone, so that x need not be kept.
"""

import functools
import math
from typing import Any

import numpy as np
from llvmlite import ir
from numba import cfunc, get_num_threads, njit, prange, types
from numba.extending import intrinsic
from numba.np.numpy_support import carray

from dlcli.kernels import vectors
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
def _forward(code, function, x, y, first, last):
    for i in range(first, last):  # a slice's would go by a copy where y is x, and takes seconds to compile
        y[i] = x[i]
    activate(code, function, y.ctypes.data + first * y.itemsize, last - first)


@njit(cache=True)
def _backward(function, y, dy, dx, first, last):
    for i in range(first, last):
        dx[i] = dy[i]
    slope_row(function, y[first:last], dx[first:last])


@njit(cache=True, parallel=True)
def _parallel_forward(workers, code, function, x, y):
    for worker in prange(workers):
        share = np.int64(worker)
        _forward(code, function, x, y, share * x.size // workers, (share + 1) * x.size // workers)


@njit(cache=True, parallel=True)
def _parallel_backward(workers, function, y, dy, dx):
    for worker in prange(workers):
        share = np.int64(worker)
        _backward(function, y, dy, dx, share * y.size // workers, (share + 1) * y.size // workers)


def _flat(array: Array) -> Array:
    """A contiguous array as one row, without a copy."""
    if not array.flags.c_contiguous:
        raise ValueError(f"the array must be contiguous, found strides {array.strides}")
    return array.reshape(-1)


def forward(function: int, x: Array, y: Array) -> None:
    """y ← f(x), for contiguous arrays of one size; y may be x."""
    if x.size < SERIAL:
        _forward(address(y.itemsize), function, _flat(x), _flat(y), 0, x.size)
    else:
        _parallel_forward(get_num_threads(), address(y.itemsize), function, _flat(x), _flat(y))


def backward(function: int, y: Array, dy: Array, dx: Array) -> None:
    """dx ← dy · f'(x), taken from y, for contiguous arrays of one size; dx may be dy."""
    if y.size < SERIAL:
        _backward(function, _flat(y), _flat(dy), _flat(dx), 0, y.size)
    else:
        _parallel_backward(get_num_threads(), function, _flat(y), _flat(dy), _flat(dx))
