"""What pooling does with a window's cells or a cell's windows, for all channels at once, in vectors.

Each function takes the address of the first of ``rows`` × ``columns`` places, ``row`` and ``column`` elements apart,
each of ``channels`` contiguous elements, and keeps its result in registers until the last place is read. Channels
that don't fill a vector go by vectors of half the width, a quarter, and so on: no lane is masked, and no loop scalar.
Elements are of the type that the pointer ``like`` points to. A place in a window is an integer of ``width`` bytes.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core.cgutils import alloca_once, for_range
from numba.extending import intrinsic

from dlcli.kernels import vectors
from dlcli.kernels.addresses import typed_array
from dlcli.kernels.vectors import I32, JIT_OFF, constant

I8 = ir.IntType(8)
WINDOWS = [(2, 2), (3, 3)]  # shapes that have code of their own
OVERLAPS = [(1, 1), (1, 2), (2, 1), (2, 2)]

Shape = tuple[ir.Value, ir.Value]


def _blocks(builder: ir.IRBuilder, channels: ir.Value, widest: int, block: Callable[[ir.Value, int], None]) -> None:
    """``block(first channel, lanes)`` for vectors that cover the channels."""
    with for_range(builder, builder.sdiv(channels, constant(widest))) as loop:
        block(builder.mul(loop.index, constant(widest)), widest)
    lanes = widest // 2
    while lanes:
        with builder.if_then(builder.icmp_signed("!=", builder.and_(channels, constant(lanes)), constant(0))):
            block(builder.and_(channels, constant(-2 * lanes)), lanes)
        lanes //= 2


def _places(
    builder: ir.IRBuilder, shape: Shape, steps: Shape, visit: Callable[[ir.Value, ir.Value, ir.Value], None]
) -> None:
    """``visit(i, j, offset)`` for each place, row by row; the offset counts elements."""
    (rows, columns), (row, column) = shape, steps
    if isinstance(rows, ir.Constant):  # a common shape: without loops
        for i, j in np.ndindex(rows.constant, columns.constant):
            offset = builder.add(builder.mul(constant(i), row), builder.mul(constant(j), column))
            visit(constant(i), constant(j), offset)
        return
    with for_range(builder, rows) as outer, for_range(builder, columns) as inner:
        offset = builder.add(builder.mul(outer.index, row), builder.mul(inner.index, column))
        visit(outer.index, inner.index, offset)


def _at(builder: ir.IRBuilder, address: ir.Value, offset: ir.Value, kind: ir.Type) -> ir.Value:
    """The address of an element, as a pointer to ``kind``."""
    return builder.gep(builder.inttoptr(address, kind.as_pointer()), [offset])


def _load(builder: ir.IRBuilder, address: ir.Value, offset: ir.Value, kind: ir.Type, lanes: int) -> ir.Value:
    start = _at(builder, address, offset, kind)
    return builder.load(builder.bitcast(start, ir.VectorType(kind, lanes).as_pointer()), align=_size(kind))


def _store(builder: ir.IRBuilder, value: ir.Value, address: ir.Value, offset: ir.Value, kind: ir.Type) -> None:
    start = _at(builder, address, offset, kind)
    builder.store(value, builder.bitcast(start, value.type.as_pointer()), align=_size(kind))


def _size(kind: ir.Type) -> int:
    return {ir.FloatType(): 4, ir.DoubleType(): 8, I32: 4, I8: 1}[kind]


def _for_width(builder: ir.IRBuilder, width: ir.Value, emit: Callable[[ir.Type], None]) -> None:
    """The code for places of one byte and for those of four."""
    with builder.if_else(builder.icmp_signed("==", width, constant(1))) as (narrow, wide):
        with narrow:
            emit(I8)
        with wide:
            emit(I32)


def _for_shape(
    builder: ir.IRBuilder, shape: Shape, common: Sequence[tuple[int, int]], emit: Callable[[Shape], None]
) -> None:
    """The code for each of the common shapes, and for all others."""
    if not common:
        emit(shape)
        return
    wanted = [builder.icmp_signed("==", *pair) for pair in zip(shape, map(constant, common[0]), strict=True)]
    with builder.if_else(builder.and_(*wanted)) as (this, other):
        with this:
            emit((constant(common[0][0]), constant(common[0][1])))
        with other:
            _for_shape(builder, shape, common[1:], emit)


def _for_width_and_shape(
    builder: ir.IRBuilder,
    width: ir.Value,
    shape: Shape,
    common: Sequence[tuple[int, int]],
    emit: Callable[[ir.Type, Shape], None],
) -> None:
    """The code for either width of places; only large windows have wide ones, and no common shape."""

    def for_width(narrow: ir.Type) -> None:
        _for_shape(builder, shape, common if narrow is I8 else (), lambda found: emit(narrow, found))

    _for_width(builder, width, for_width)


def constant32(value: int) -> ir.Constant:
    """A 32-bit integer."""
    return ir.Constant(I32, value)


def _place(builder: ir.IRBuilder, place: ir.Value, at: Shape, steps: Shape, lanes: int) -> ir.Value:
    """The place ``at`` steps away, in every lane."""
    for number, step in zip(at, steps, strict=True):
        place = builder.add(place, builder.mul(builder.trunc(number, I32), step))
    return vectors.spread(builder, place, lanes)


def _winner(builder: ir.IRBuilder, winners: ir.Value, at: ir.Value, narrow: ir.Type, lanes: int) -> ir.Value:
    """Places, as vectors of 32 bits."""
    found = _load(builder, winners, at, narrow, lanes)
    return found if narrow is I32 else builder.zext(found, ir.VectorType(I32, lanes))


def _narrowed(builder: ir.IRBuilder, places: ir.Value, narrow: ir.Type) -> ir.Value:
    return places if narrow is I32 else builder.trunc(places, ir.VectorType(narrow, places.type.count))


@intrinsic
def _largest(typing, x, rows, columns, row, column, channels, place, size, y, winners, width, like):
    itemsize = like.dtype.bitwidth // 8
    kind, widest = vectors.element(itemsize), vectors.lanes_of(itemsize)

    def codegen(context, builder, signature, arguments):
        x, rows, columns, row, column, channels, place, size, y, winners, width, _ = arguments
        place, size = builder.trunc(place, I32), builder.trunc(size, I32)

        def emit(narrow: ir.Type, shape: Shape) -> None:
            def block(first: ir.Value, lanes: int) -> None:
                best = alloca_once(builder, ir.VectorType(kind, lanes))
                winner = alloca_once(builder, ir.VectorType(I32, lanes))
                builder.store(_load(builder, x, first, kind, lanes), best)
                builder.store(vectors.spread(builder, place, lanes), winner)

                def visit(i: ir.Value, j: ir.Value, offset: ir.Value) -> None:
                    cell = _load(builder, x, builder.add(first, offset), kind, lanes)
                    old = builder.load(best)
                    larger = builder.fcmp_ordered(">", cell, old)
                    wins = builder.or_(larger, builder.fcmp_unordered("uno", cell, cell))
                    here = _place(builder, place, (i, j), (size, constant32(1)), lanes)
                    builder.store(builder.select(wins, cell, old), best)
                    builder.store(builder.select(wins, here, builder.load(winner)), winner)

                _places(builder, shape, (row, column), visit)
                _store(builder, builder.load(best), y, first, kind)
                _store(builder, _narrowed(builder, builder.load(winner), narrow), winners, first, narrow)

            _blocks(builder, channels, widest, block)

        _for_width_and_shape(builder, width, (rows, columns), WINDOWS, emit)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 11, like), codegen


@intrinsic
def _routed(typing, dy, winners, rows, columns, row, column, channels, place, down, right, width, dx, like):
    itemsize = like.dtype.bitwidth // 8
    kind, widest = vectors.element(itemsize), vectors.lanes_of(itemsize)

    def codegen(context, builder, signature, arguments):
        dy, winners, rows, columns, row, column, channels, place, down, right, width, dx, _ = arguments
        place, down, right = (builder.trunc(value, I32) for value in (place, down, right))

        def emit(narrow: ir.Type, shape: Shape) -> None:
            def block(first: ir.Value, lanes: int) -> None:
                vector = ir.VectorType(kind, lanes)
                zero = ir.Constant(vector, [0.0] * lanes)
                total = alloca_once(builder, vector)
                builder.store(zero, total)

                def visit(i: ir.Value, j: ir.Value, offset: ir.Value) -> None:
                    at = builder.add(first, offset)
                    here = _place(builder, place, (i, j), (down, right), lanes)
                    ours = builder.icmp_signed("==", _winner(builder, winners, at, narrow, lanes), here)
                    gradient = builder.select(ours, _load(builder, dy, at, kind, lanes), zero)
                    builder.store(builder.fadd(builder.load(total), gradient), total)

                _places(builder, shape, (row, column), visit)
                _store(builder, builder.load(total), dx, first, kind)

            _blocks(builder, channels, widest, block)

        _for_width_and_shape(builder, width, (rows, columns), OVERLAPS, emit)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 12, like), codegen


@intrinsic
def _placed(typing, dy, winners, rows, columns, row, column, channels, place, size, width, dx, like):
    itemsize = like.dtype.bitwidth // 8
    kind, widest = vectors.element(itemsize), vectors.lanes_of(itemsize)

    def codegen(context, builder, signature, arguments):
        dy, winners, rows, columns, row, column, channels, place, size, width, dx, _ = arguments
        place, size = builder.trunc(place, I32), builder.trunc(size, I32)

        def emit(narrow: ir.Type, shape: Shape) -> None:
            def block(first: ir.Value, lanes: int) -> None:
                zero = ir.Constant(ir.VectorType(kind, lanes), [0.0] * lanes)
                gradient = _load(builder, dy, first, kind, lanes)
                winner = _winner(builder, winners, first, narrow, lanes)

                def visit(i: ir.Value, j: ir.Value, offset: ir.Value) -> None:
                    here = _place(builder, place, (i, j), (size, constant32(1)), lanes)
                    part = builder.select(builder.icmp_signed("==", winner, here), gradient, zero)
                    _store(builder, part, dx, builder.add(first, offset), kind)

                _places(builder, shape, (row, column), visit)

            _blocks(builder, channels, widest, block)

        _for_width_and_shape(builder, width, (rows, columns), WINDOWS, emit)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 11, like), codegen


@intrinsic
def _mean(typing, x, rows, columns, row, column, channels, divisor, y, like):
    itemsize = like.dtype.bitwidth // 8
    kind, widest = vectors.element(itemsize), vectors.lanes_of(itemsize)

    def codegen(context, builder, signature, arguments):
        x, rows, columns, row, column, channels, divisor, y, _ = arguments
        divisor = builder.sitofp(divisor, kind)

        def emit(shape: Shape) -> None:
            def block(first: ir.Value, lanes: int) -> None:
                vector = ir.VectorType(kind, lanes)
                total = alloca_once(builder, vector)
                builder.store(ir.Constant(vector, [0.0] * lanes), total)

                def visit(i: ir.Value, j: ir.Value, offset: ir.Value) -> None:
                    cell = _load(builder, x, builder.add(first, offset), kind, lanes)
                    builder.store(builder.fadd(builder.load(total), cell), total)

                _places(builder, shape, (row, column), visit)
                mean = builder.fdiv(builder.load(total), vectors.spread(builder, divisor, lanes))
                _store(builder, mean, y, first, kind)

            _blocks(builder, channels, widest, block)

        _for_shape(builder, (rows, columns), WINDOWS, emit)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 8, like), codegen


@intrinsic
def _shares(typing, dy, rows, columns, row, column, channels, heights, widths, dx, like):
    itemsize = like.dtype.bitwidth // 8
    kind, widest = vectors.element(itemsize), vectors.lanes_of(itemsize)

    def codegen(context, builder, signature, arguments):
        dy, rows, columns, row, column, channels, heights, widths, dx, _ = arguments
        counts = [builder.inttoptr(table, vectors.I64.as_pointer()) for table in (heights, widths)]

        def emit(shape: Shape) -> None:
            def block(first: ir.Value, lanes: int) -> None:
                vector = ir.VectorType(kind, lanes)
                total = alloca_once(builder, vector)
                builder.store(ir.Constant(vector, [0.0] * lanes), total)

                def visit(i: ir.Value, j: ir.Value, offset: ir.Value) -> None:
                    height, width = (
                        builder.load(builder.gep(count, [at])) for count, at in zip(counts, (i, j), strict=True)
                    )
                    cells = vectors.spread(builder, builder.sitofp(builder.mul(height, width), kind), lanes)
                    share = builder.fdiv(_load(builder, dy, builder.add(first, offset), kind, lanes), cells)
                    builder.store(builder.fadd(builder.load(total), share), total)

                _places(builder, shape, (row, column), visit)
                _store(builder, builder.load(total), dx, first, kind)

            _blocks(builder, channels, widest, block)

        _for_shape(builder, (rows, columns), OVERLAPS, emit)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 9, like), codegen


def _view(address, rows, columns, row, column, channels, dtype):
    """The places as an array (rows, columns, channels)."""
    dtype = np.dtype(dtype)
    if not rows * columns:
        return np.empty((rows, columns, channels), dtype)
    flat = typed_array(address, int((rows - 1) * row + (columns - 1) * column + channels), dtype)
    strides = [step * dtype.itemsize for step in (row, column, 1)]
    return np.lib.stride_tricks.as_strided(flat, (rows, columns, channels), strides)


def _largest_twin(x, rows, columns, row, column, channels, place, size, y, winners, width, like):
    cells = _view(x, rows, columns, row, column, channels, like.dtype)
    best, winner = cells[0, 0].copy(), np.full(channels, place, np.int32)
    for i, j in np.ndindex(rows, columns):
        wins = (cells[i, j] > best) | (cells[i, j] != cells[i, j])
        best, winner = np.where(wins, cells[i, j], best), np.where(wins, place + i * size + j, winner)
    typed_array(y, channels, like.dtype)[:] = best
    typed_array(winners, channels, np.uint8 if width == 1 else np.int32)[:] = winner


def _routed_twin(dy, winners, rows, columns, row, column, channels, place, down, right, width, dx, like):
    gradients = _view(dy, rows, columns, row, column, channels, like.dtype)
    winner = _view(winners, rows, columns, row, column, channels, np.uint8 if width == 1 else np.int32)
    total = np.zeros(channels, like.dtype)
    for i, j in np.ndindex(rows, columns):
        total += np.where(winner[i, j] == place + i * down + j * right, gradients[i, j], 0)
    typed_array(dx, channels, like.dtype)[:] = total


def _placed_twin(dy, winners, rows, columns, row, column, channels, place, size, width, dx, like):
    gradient = typed_array(dy, channels, like.dtype)
    winner = typed_array(winners, channels, np.uint8 if width == 1 else np.int32)
    cells = _view(dx, rows, columns, row, column, channels, like.dtype)
    for i, j in np.ndindex(rows, columns):
        cells[i, j] = np.where(winner == place + i * size + j, gradient, 0)


def _mean_twin(x, rows, columns, row, column, channels, divisor, y, like):
    cells, total = _view(x, rows, columns, row, column, channels, like.dtype), np.zeros(channels, like.dtype)
    for i, j in np.ndindex(rows, columns):
        total += cells[i, j]
    typed_array(y, channels, like.dtype)[:] = total / like.dtype.type(divisor)


def _shares_twin(dy, rows, columns, row, column, channels, heights, widths, dx, like):
    gradients, total = _view(dy, rows, columns, row, column, channels, like.dtype), np.zeros(channels, like.dtype)
    heights, widths = typed_array(heights, rows, np.int64), typed_array(widths, columns, np.int64)
    for i, j in np.ndindex(rows, columns):
        total += gradients[i, j] / like.dtype.type(heights[i] * widths[j])
    typed_array(dx, channels, like.dtype)[:] = total


# largest(x, …, place, size, y, winners, width, like): y ← the largest cell; winners ← its place, where the first cell
# is at ``place`` and the next row's is ``size`` later. The first of equals wins; NaN wins over all.
largest: Any = _largest_twin if JIT_OFF else _largest
# routed(dy, winners, …, place, down, right, width, dx, like): dx ← the sum of those dy whose winner is this cell, which
# is at ``place`` in the first window; in the next one below or to the right, that is changed by ``down`` or ``right``.
routed: Any = _routed_twin if JIT_OFF else _routed
# placed(dy, winners, …, place, size, width, dx, like): all the cells dx of one window ← dy at the winner, else zero;
# places as in `largest`. For windows that don't overlap.
placed: Any = _placed_twin if JIT_OFF else _placed
# mean(x, …, divisor, y, like): y ← the sum of the cells / divisor.
mean: Any = _mean_twin if JIT_OFF else _mean
# shares(dy, …, heights, widths, dx, like): dx ← the sum of dy / cells of its window, heights[i] · widths[j].
shares: Any = _shares_twin if JIT_OFF else _shares
