"""Sums over contiguous numbers in `STRANDS` strands: number i goes to strand i mod 16, whatever the vectors are.

The strands are then added in pairs: 0 and 8, 1 and 9 …, then 0 and 4, …, then 0 and 2, 1 and 3, then the last two.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core.cgutils import alloca_once_value, for_range
from numba.extending import intrinsic

from dlcli.kernels import vectors
from dlcli.kernels.addresses import typed_array
from dlcli.kernels.vectors import I32, JIT_OFF, constant

STRANDS = 16


def _added(builder: ir.IRBuilder, total: ir.Value) -> ir.Value:
    """The strands' sum."""
    lanes = total.type.count
    while lanes > 1:
        lanes //= 2
        low, high = (
            builder.shuffle_vector(total, total, ir.Constant(ir.VectorType(I32, lanes), list(range(k, k + lanes))))
            for k in (0, lanes)
        )
        total = builder.fadd(low, high)
    return builder.extract_element(total, ir.Constant(I32, 0))


def _emit(builder: ir.IRBuilder, addresses: list[ir.Value], size: ir.Value, itemsize: int) -> ir.Value:
    """Σ of the products of the numbers at the addresses."""
    kind = ir.VectorType(vectors.element(itemsize), STRANDS)
    total = alloca_once_value(builder, ir.Constant(kind, [0.0] * STRANDS))

    def block(first: ir.Value, mask: ir.Value | None) -> None:
        product = None
        for address in addresses:
            start = builder.gep(vectors.pointer(builder, address, itemsize), [first])
            loaded = vectors.load(builder, start, STRANDS, mask)
            product = loaded if product is None else builder.fmul(product, loaded)
        builder.store(builder.fadd(builder.load(total), product), total)

    whole = builder.sdiv(size, constant(STRANDS))
    with for_range(builder, whole) as loop:
        block(builder.mul(loop.index, constant(STRANDS)), None)
    first = builder.mul(whole, constant(STRANDS))
    with builder.if_then(builder.icmp_signed("<", first, size)):
        block(first, vectors.first_lanes(builder, builder.sub(size, first), STRANDS))
    return _added(builder, builder.load(total))


@intrinsic
def _sum(typing, a, size, like):
    def codegen(context, builder, signature, arguments):
        return _emit(builder, [arguments[0]], arguments[1], like.dtype.bitwidth // 8)

    return like.dtype(types.intp, types.intp, like), codegen


@intrinsic
def _dot(typing, a, b, size, like):
    def codegen(context, builder, signature, arguments):
        return _emit(builder, [arguments[0], arguments[1]], arguments[2], like.dtype.bitwidth // 8)

    return like.dtype(types.intp, types.intp, types.intp, like), codegen


def _added_twin(numbers):
    rows = -(-numbers.size // STRANDS)
    padded = np.zeros(rows * STRANDS, numbers.dtype)
    padded[: numbers.size] = numbers
    total = np.zeros(STRANDS, numbers.dtype)
    for row in padded.reshape(rows, STRANDS):
        total = total + row
    while total.size > 1:
        total = total[: total.size // 2] + total[total.size // 2 :]
    return total[0]


def _sum_twin(a, size, like):
    return _added_twin(typed_array(a, size, like.dtype))


def _dot_twin(a, b, size, like):
    return _added_twin(typed_array(a, size, like.dtype) * typed_array(b, size, like.dtype))


# sum_of(a, size, like): the sum of ``size`` numbers from an address on, of the type that ``like`` points to.
sum_of: Any = _sum_twin if JIT_OFF else _sum
# dot(a, b, size, like): the sum of the products of numbers at two addresses.
dot: Any = _dot_twin if JIT_OFF else _dot
