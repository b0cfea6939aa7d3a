"""LLVM vectors of this machine: what the tile, the panels and the update of eq. (4) are written in.

Each function emits one or two instructions into a builder. Addresses are typed pointers to single elements; masks say
which lanes of a vector exist, so that an edge needs no scalar loop.
"""

import ctypes
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import config
from numba.core.cgutils import for_range, get_or_insert_function
from numba.core.registry import cpu_target
from numba.extending import intrinsic

settings: Any = config
JIT_OFF = bool(settings.DISABLE_JIT)  # then NumPy twins stand in for vector code
I32, I64 = ir.IntType(32), ir.IntType(64)


class Machine(NamedTuple):
    """Register tile of an instruction set: at most ``rows`` float32 rows of ``vectors`` vectors of ``size`` bytes."""

    rows: int
    vectors: int
    size: int
    fused: bool  # whether there is a fused multiply-add; LLVM would call the C library for one


AVX512 = Machine(14, 2, 64, True)  # 28 sums, 2 vectors of b and one of a in 32 registers
AVX2 = Machine(6, 2, 32, True)  # 12 sums of 16 registers
NEON = Machine(8, 3, 16, True)  # 24 sums of 32 registers; untested
GENERIC = Machine(6, 2, 16, False)


def find_machine() -> Machine:
    """The machine that Numba compiles for (it heeds NUMBA_CPU_NAME and NUMBA_CPU_FEATURES)."""
    triple, _, features = cpu_target.target_context.codegen().magic_tuple()
    has = {feature[1:] for feature in features.split(",") if feature.startswith("+")}
    if triple.startswith(("aarch64", "arm64")):
        return NEON
    if {"avx512f", "avx512vl"} <= has:
        return AVX512
    return AVX2 if {"avx2", "fma"} <= has else GENERIC


MACHINE = find_machine()


def element(itemsize: int) -> ir.Type:
    """float or double."""
    return ir.FloatType() if itemsize == 4 else ir.DoubleType()


def lanes_of(itemsize: int) -> int:
    """Elements in a register."""
    return MACHINE.size // itemsize


def constant(value: int) -> ir.Constant:
    """A 64-bit integer."""
    return ir.Constant(I64, value)


def pointer(builder: ir.IRBuilder, address: ir.Value, itemsize: int) -> ir.Value:
    """An integer address as a pointer to elements."""
    return builder.inttoptr(address, element(itemsize).as_pointer())


def opaque(builder: ir.IRBuilder, value: ir.Value) -> ir.Value:
    """The same 64-bit integer, from a place that LLVM cannot look into."""
    kind = ir.FunctionType(I64, [I64])
    return builder.call(ir.InlineAsm(kind, "", "=r,0"), [value])


def opaque_pointer(builder: ir.IRBuilder, value: ir.Value) -> ir.Value:
    """The same pointer, likewise."""
    return builder.inttoptr(opaque(builder, builder.ptrtoint(value, I64)), value.type)


def spread(builder: ir.IRBuilder, scalar: ir.Value, lanes: int) -> ir.Value:
    """A vector with ``scalar`` in every lane."""
    undefined = ir.Constant(ir.VectorType(scalar.type, lanes), ir.Undefined)
    single = builder.insert_element(undefined, scalar, ir.Constant(I32, 0))
    return builder.shuffle_vector(single, undefined, ir.Constant(ir.VectorType(I32, lanes), [0] * lanes))


def first_lanes(builder: ir.IRBuilder, count: ir.Value, lanes: int) -> ir.Value:
    """The mask of the first ``count`` lanes; none when it is negative, all when it is large."""
    places = ir.Constant(ir.VectorType(I64, lanes), list(range(lanes)))
    return builder.icmp_signed("<", places, spread(builder, count, lanes))


def multiply_add(builder: ir.IRBuilder, a: ir.Value, b: ir.Value, total: ir.Value) -> ir.Value:
    """a · b + total, rounded once where the machine can."""
    if not MACHINE.fused:
        return builder.fadd(builder.fmul(a, b), total)
    name = "llvm.fma" + _suffix(total.type)
    fma = get_or_insert_function(builder.module, ir.FunctionType(total.type, [total.type] * 3), name)
    return builder.call(fma, [a, b, total])


def load(builder: ir.IRBuilder, start: ir.Value, lanes: int, mask: ir.Value | None = None) -> ir.Value:
    """``lanes`` elements from ``start``; zero where masked."""
    vector = ir.VectorType(start.type.pointee, lanes)
    address = builder.bitcast(start, vector.as_pointer())
    if mask is None:
        return builder.load(address, align=_size(vector))
    kinds = [vector.as_pointer(), I32, mask.type, vector]
    function = _masked(builder, "load", vector, ir.FunctionType(vector, kinds))
    zero = ir.Constant(vector, [0.0] * lanes)
    return builder.call(function, [address, ir.Constant(I32, _size(vector)), mask, zero])


def store(builder: ir.IRBuilder, value: ir.Value, start: ir.Value, mask: ir.Value | None = None) -> None:
    """Write the lanes of ``value`` that are not masked."""
    address = builder.bitcast(start, value.type.as_pointer())
    if mask is None:
        builder.store(value, address, align=_size(value.type))
        return
    kinds = [value.type, address.type, I32, mask.type]
    function = _masked(builder, "store", value.type, ir.FunctionType(ir.VoidType(), kinds))
    builder.call(function, [value, address, ir.Constant(I32, _size(value.type)), mask])


def store_first(
    builder: ir.IRBuilder, values: list[ir.Value], starts: list[ir.Value], count: ir.Value, mask: ir.Value
) -> None:
    """Write the first ``count`` lanes of each vector, all of the same type; ``mask`` says the same.

    Masked stores cost a dozen cycles each on AVX2 processors of AMD's; whole vectors are stored as such, and of others
    the halves, quarters, … that ``count`` is made of.
    """
    if MACHINE.size == AVX512.size:
        for value, start in zip(values, starts, strict=True):
            store(builder, value, start, mask)
        return
    lanes = values[0].type.count
    with builder.if_else(builder.icmp_signed(">=", count, constant(lanes))) as (whole, part):
        with whole:
            for value, start in zip(values, starts, strict=True):
                store(builder, value, start)
        with part:
            _store_pieces(builder, values, starts, count, lanes)


def _store_pieces(
    builder: ir.IRBuilder, values: list[ir.Value], starts: list[ir.Value], count: ir.Value, lanes: int
) -> None:
    piece = lanes // 2
    while piece:
        before = builder.block
        wanted = builder.icmp_signed("!=", builder.and_(count, constant(piece)), constant(0))
        with builder.if_then(wanted):
            low, high = (ir.Constant(ir.VectorType(I32, piece), list(range(k, k + piece))) for k in (0, piece))
            rest = []
            for value, start in zip(values, starts, strict=True):
                undefined = ir.Constant(value.type, ir.Undefined)
                store(builder, builder.shuffle_vector(value, undefined, low), start)
                rest.append((builder.shuffle_vector(value, undefined, high), builder.gep(start, [constant(piece)])))
            after = builder.block
        joined = []
        for value, start, (value_rest, start_rest) in zip(values, starts, rest, strict=True):
            undefined = ir.Constant(value.type, ir.Undefined)
            low = ir.Constant(ir.VectorType(I32, piece), list(range(piece)))
            with builder.goto_block(before):
                value_same = builder.shuffle_vector(value, undefined, low)
            pair = []
            for same, other in ((value_same, value_rest), (start, start_rest)):
                phi = builder.phi(same.type)
                phi.add_incoming(same, before)
                phi.add_incoming(other, after)
                pair.append(phi)
            joined.append(pair)
        values, starts = [value for value, _ in joined], [start for _, start in joined]
        piece //= 2


@intrinsic
def _prefetch_rows(typing, start, rows, row, size):
    def codegen(context, builder, signature, arguments):
        start, rows, row, size = arguments
        byte = ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [byte, I32, I32, I32])
        function = get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        how = [ir.Constant(I32, value) for value in (1, 3, 1)]  # to write, into every cache, data
        with for_range(builder, rows) as loop:
            first = builder.add(start, builder.mul(loop.index, row))
            last = builder.add(first, builder.sub(size, constant(1)))
            for place in (first, last):
                builder.call(function, [builder.inttoptr(place, byte), *how])
        return context.get_dummy_value()

    return types.void(*[types.intp] * 4), codegen


def _prefetch_rows_twin(start, rows, row, size):
    pass


# prefetch_rows(start, rows, row, size): fetch the first and last cache line of ``rows`` stretches of ``size`` bytes,
# ``row`` bytes apart, while other work goes on. It changes nothing.
prefetch_rows: Any = _prefetch_rows_twin if JIT_OFF else _prefetch_rows


def _size(vector: Any) -> int:
    return 4 if isinstance(vector.element, ir.FloatType) else 8


def _suffix(vector: Any) -> str:
    return f".v{vector.count}f{8 * _size(vector)}"


def _masked(builder: ir.IRBuilder, operation: str, vector: Any, signature: ir.FunctionType) -> ir.Function:
    return get_or_insert_function(builder.module, signature, f"llvm.masked.{operation}{_suffix(vector)}.p0")


def view(start: int, shape: tuple[int, int], strides: tuple[int, int], itemsize: int) -> Any:
    """The elements at an address, for the NumPy twins of vector code; strides count elements."""
    span = 1 + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    buffer: Any = (ctypes.c_byte * int(span * itemsize)).from_address(int(start))
    flat = np.frombuffer(buffer, np.float32 if itemsize == 4 else np.float64)
    return np.lib.stride_tricks.as_strided(flat, shape, [stride * itemsize for stride in strides])
