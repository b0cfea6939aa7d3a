"""What kernels make of the integers that they are given: arrays of addresses, floats of bits.

Each is one instruction or a few, emitted where it stands: Numba's own `carray` would be typed, compiled and inlined
anew in each kernel, which took a fifth of a cold start.
"""

import ctypes
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from dlcli.kernels import vectors
from dlcli.kernels.vectors import I64, JIT_OFF


def _view(context, builder, kind, address, shape):
    """The array struct of C-contiguous numbers of ``kind`` from an address on."""
    from numba.np.arrayobj import make_array, populate_array  # with all of Numba's compiler, which is there by now

    number = context.get_data_type(kind.dtype)
    size = context.get_abi_sizeof(number)
    strides = [vectors.constant(size)]
    for extent in reversed(shape[1:]):
        strides.insert(0, builder.mul(strides[0], extent))
    found = make_array(kind)(context, builder)
    data = builder.inttoptr(address, number.as_pointer())
    populate_array(found, data=data, shape=shape, strides=strides, itemsize=size, meminfo=None)
    return found._getvalue()


@intrinsic
def _array(typing, address, size, like):
    kind = types.Array(like.dtype, 1, "C")

    def codegen(context, builder, signature, arguments):
        return _view(context, builder, kind, arguments[0], [arguments[1]])

    return kind(types.intp, types.intp, like), codegen


@intrinsic
def _matrix(typing, address, rows, columns, like):
    kind = types.Array(like.dtype, 2, "C")

    def codegen(context, builder, signature, arguments):
        return _view(context, builder, kind, arguments[0], list(arguments[1:3]))

    return kind(types.intp, types.intp, types.intp, like), codegen


@intrinsic
def _typed_array(typing, address, size, dtype):
    kind = types.Array(dtype.dtype, 1, "C")

    def codegen(context, builder, signature, arguments):
        return _view(context, builder, kind, arguments[0], [arguments[1]])

    return kind(types.intp, types.intp, dtype), codegen


@intrinsic
def _place(typing, pointer):
    def codegen(context, builder, signature, arguments):
        return builder.ptrtoint(arguments[0], I64)

    return types.intp(pointer), codegen


@intrinsic
def _number(typing, bits):
    def codegen(context, builder, signature, arguments):
        return builder.bitcast(arguments[0], ir.DoubleType())

    return types.float64(types.int64), codegen


def _array_twin(address, size, like):
    return vectors.view(address, (1, size), (size, 1), like.dtype.itemsize)[0]


def _matrix_twin(address, rows, columns, like):
    return vectors.view(address, (rows, columns), (columns, 1), like.dtype.itemsize)


def _typed_array_twin(address, size, dtype):
    buffer: Any = (ctypes.c_byte * int(size * np.dtype(dtype).itemsize)).from_address(int(address))
    return np.frombuffer(buffer, dtype)


def _place_twin(pointer):
    return pointer.address


def _number_twin(bits):
    return float(np.int64(bits).view(np.float64))


# array(address, size, like): the ``size`` numbers from an address on, of the type that the pointer ``like`` points to.
array: Any = _array_twin if JIT_OFF else _array
# matrix(address, rows, columns, like): the same, with two axes.
matrix: Any = _matrix_twin if JIT_OFF else _matrix
# typed_array(address, size, dtype): the same, of a type that is named: indices, masks, random words.
typed_array: Any = _typed_array_twin if JIT_OFF else _typed_array
# place(scratch): the address that a pointer holds.
place: Any = _place_twin if JIT_OFF else _place
# number(p[i]): the float that was the launch's i-th argument.
number: Any = _number_twin if JIT_OFF else _number
