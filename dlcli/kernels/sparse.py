"""Products whose left operand is mostly zeros: a row of the result sums over what is not zero.

    out[n] = init[n] + Σ_i a[k_i] · b[k_i, n],     k_1 < k_2 < … those with a[k] ≠ 0

Pixels of digits, binary states, rectified and dropped-out units: where four fifths of a are zeros, four fifths of the
tile's multiplications change nothing. Here a row of a becomes a list of (k_i, a[k_i]), and `COLUMNS` of its sums stay
in registers while the list passes: a step is one broadcast, and fused multiply-adds that read b from the cache. The
tile reads b once for many rows, which is faster where more than `MOST` of a is not zero.

Terms are added in the tile's order, and those left out are zeros, so the bits are the tile's: a product takes either
way, block by block, as the numbers happen to be, and no result shows which. (But 0 · ∞, which is NaN, is left out too,
and a sum that begins as −0 may stay it: once weights are no numbers, which rows notice depends on their block.)
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core.cgutils import alloca_once_value, for_range
from numba.extending import intrinsic, register_jitable

from dlcli.kernels import vectors
from dlcli.kernels.addresses import array, typed_array
from dlcli.kernels.launch import piece
from dlcli.kernels.panel import transpose_square
from dlcli.kernels.tile import PANEL
from dlcli.kernels.vectors import I32, I64, JIT_OFF, MACHINE, constant

WIDEST = 8 * MACHINE.size // 4  # sums that a list can pass at once
COLUMNS = min(64, WIDEST) // PANEL * PANEL  # of a packed b that it does: enough to hide a multiply-add's latency
MOST = 0.45  # of a block that is not zero
SAMPLE = 8  # one line of so many is counted first: most blocks are far from `MOST`
FEW = 2  # rows for which b is not worth packing: lists read it in place, however long they are
TURNED = MACHINE.size // 4  # rows of a transposed block that are turned together, at most
AT_ONCE = 4  # numbers of a vector that a list takes without asking how many there are


class _Emitter:
    """Emits sums of one list: a loop for each number of vectors, and the jump to the one that is asked for."""

    def __init__(self, builder: ir.IRBuilder, itemsize: int, places: ir.Value, values: ir.Value, b: ir.Value) -> None:
        self.builder, self.itemsize, self.lanes = builder, itemsize, vectors.lanes_of(itemsize)
        self.places = builder.inttoptr(places, I32.as_pointer())
        self.values, self.b = vectors.pointer(builder, values, itemsize), vectors.pointer(builder, b, itemsize)

    def for_each_number(self, most: int, asked: ir.Value, emit: Callable[[int], None]) -> None:
        builder = self.builder
        done = builder.append_basic_block("done")
        jump = builder.switch(asked, done)
        for number in range(1, most + 1):
            block = builder.append_basic_block(f"vectors_{number}")
            jump.add_case(constant(number), block)
            builder.position_at_end(block)
            emit(number)
            builder.branch(done)
        builder.position_at_end(done)

    def passed(
        self, count: ir.Value, first: list[ir.Value], in_b: list[ir.Value], masks: list[ir.Value | None]
    ) -> list[ir.Value]:
        """The sums that begin with ``first`` after the list: vectors of b at ``in_b`` from its place, masked."""
        builder, before = self.builder, self.builder.block
        check, step, end = (builder.append_basic_block(name) for name in ("check", "step", "end"))
        builder.branch(check)

        builder.position_at_end(check)
        index, sums = builder.phi(I64), [builder.phi(value.type) for value in first]
        builder.cbranch(builder.icmp_signed("<", index, count), step, end)

        builder.position_at_end(step)
        row = builder.gep(self.b, [builder.sext(builder.load(builder.gep(self.places, [index])), I64)])
        factor = vectors.spread(builder, builder.load(builder.gep(self.values, [index])), self.lanes)
        for total, value, start, mask in zip(sums, first, in_b, masks, strict=True):
            beside = vectors.load(builder, builder.gep(row, [start]), self.lanes, mask)
            total.add_incoming(value, before)
            total.add_incoming(vectors.multiply_add(builder, factor, beside, total), step)
        index.add_incoming(constant(0), before)
        # LLVM would unroll this loop, and lists are short: what is left over would cost more than it saves.
        index.add_incoming(vectors.opaque(builder, builder.add(index, constant(1))), step)
        builder.branch(check)
        builder.position_at_end(end)
        return sums

    def row(self, count: ir.Value, panel_step: ir.Value, width: ir.Value, init: ir.Value, out: ir.Value) -> None:
        """Sums side by side."""
        builder, lanes = self.builder, self.lanes
        init, out = (vectors.pointer(builder, x, self.itemsize) for x in (init, out))

        def emit(number: int) -> None:
            starts = [j * lanes for j in range(number)]
            rest = builder.sub(width, constant(starts[-1]))
            masks = [None] * (number - 1) + [vectors.first_lanes(builder, rest, lanes)]
            begins, ends = ([builder.gep(base, [constant(start)]) for start in starts] for base in (init, out))
            first = [vectors.load(builder, at, lanes, mask) for at, mask in zip(begins, masks, strict=True)]
            in_b = [
                builder.add(builder.mul(constant(start // PANEL), panel_step), constant(start % PANEL))
                for start in starts
            ]
            sums = self.passed(count, first, in_b, masks)
            for value, end in zip(sums[:-1], ends[:-1], strict=True):
                vectors.store(builder, value, end)
            vectors.store_first(builder, sums[-1:], ends[-1:], rest, masks[-1])

        needed = builder.sdiv(builder.add(width, constant(lanes - 1)), constant(lanes))
        self.for_each_number(WIDEST // lanes, needed, emit)


@intrinsic
def _sum_row(typing, like, count, places, values, b, panel_step, width, init, out):
    def codegen(context, builder, signature, arguments):
        _, count, places, values, b, *rest = arguments
        _Emitter(builder, like.bitwidth // 8, places, values, b).row(count, *rest)
        return context.get_dummy_value()

    return types.void(like, *[types.intp] * 8), codegen


def _sum_row_twin(like, count, places, values, b, panel_step, width, init, out):
    assert 0 < width <= WIDEST  # noqa: S101  # the code would do nothing
    total = vectors.view(init, (1, width), (width, 1), like.itemsize)[0].astype(np.float64)
    panels = [(n, min(PANEL, width - n)) for n in range(0, int(width), PANEL)]
    for place, factor in zip(_listed(places, count, np.int32), _listed(values, count, like.dtype), strict=True):
        for n, columns in panels:
            row = typed_array(b + like.itemsize * (place + n // PANEL * panel_step), columns, like.dtype)
            total[n : n + columns] += np.float64(factor) * row
        if like.itemsize == 4:
            total = total.astype(np.float32).astype(np.float64)
    vectors.view(out, (1, width), (width, 1), like.itemsize)[0] = total


def _listed(start, count, dtype):
    return typed_array(start, count, dtype).tolist()


# sum_row(like, count, places, values, b, panel_step, width, init, out): ``width`` ≤ WIDEST sums of one list; all but
# sizes and ``like`` are addresses, and b is packed in panels ``panel_step`` elements apart.
sum_row: Any = _sum_row_twin if JIT_OFF else _sum_row


def _bits(builder: ir.IRBuilder, source: ir.Value, at: ir.Value, lanes: int) -> ir.Value:
    """A bit for each of the lanes from ``at`` on whose number is not zero."""
    value = vectors.load(builder, builder.gep(source, [at]), lanes)
    bits = builder.fcmp_unordered("!=", value, ir.Constant(value.type, [0.0] * lanes))
    return builder.zext(builder.bitcast(bits, ir.IntType(lanes)), I32)


@intrinsic
def _list_row(typing, like, source, vectors_, step, places, values, count):
    """Append the numbers of whole vectors that are not zero: first `AT_ONCE` without a question, then what is left."""
    itemsize = like.bitwidth // 8
    lanes = vectors.lanes_of(itemsize)

    def codegen(context, builder, signature, arguments):
        _, source, number, step, places, values, count = arguments
        source, values = (vectors.pointer(builder, x, itemsize) for x in (source, values))
        places = builder.inttoptr(places, I32.as_pointer())
        held = alloca_once_value(builder, count)
        last = ir.Constant(I32, 1 << (lanes - 1))

        def append(at: ir.Value, bits: ir.Value, place: ir.Value) -> ir.Value:
            # The last lane stands in where no bit is left: it may be read, and what is written is not counted.
            first = builder.zext(builder.cttz(builder.or_(bits, last), ir.Constant(ir.IntType(1), 1)), I64)
            k = builder.add(at, first)
            builder.store(builder.trunc(builder.mul(k, step), I32), builder.gep(places, [place]))
            builder.store(builder.load(builder.gep(source, [k])), builder.gep(values, [place]))
            return builder.and_(bits, builder.sub(bits, ir.Constant(I32, 1)))

        with for_range(builder, number) as loop:
            at = builder.mul(loop.index, constant(lanes))
            bits = _bits(builder, source, at, lanes)
            found = builder.zext(builder.ctpop(bits), I64)
            begin = builder.load(held)
            end = builder.add(begin, found)
            for i in range(AT_ONCE):
                bits = append(at, bits, builder.add(begin, constant(i)))
            with builder.if_then(builder.icmp_signed(">", found, constant(AT_ONCE)), likely=False):
                left = alloca_once_value(builder, bits)
                with for_range(builder, builder.sub(found, constant(AT_ONCE))) as rest:
                    place = builder.add(begin, builder.add(rest.index, constant(AT_ONCE)))
                    builder.store(append(at, builder.load(left), place), left)
            builder.store(end, held)
        return builder.load(held)

    return types.intp(like, *[types.intp] * 6), codegen


def _list_row_twin(like, source, number, step, places, values, count):
    row = typed_array(source, number * vectors.lanes_of(like.itemsize), like.dtype)
    steps = np.flatnonzero(row)
    end = count + len(steps)
    typed_array(places, end, np.int32)[count:] = steps * step
    typed_array(values, end, like.dtype)[count:] = row[steps]
    return end


# list_row(like, source, number, step, places, values, count): append what is not zero of ``number`` vectors from an
# address on, and its place · step, to a list that has ``count``; the new count.
list_row: Any = _list_row_twin if JIT_OFF else _list_row


@piece()
def turn(like, size, start, rows, depth, a_k, out):
    """out (rows, depth) ← a[m, k] from ``start[m + k · a_k]``, for at most a vector's rows."""
    lanes = MACHINE.size // size
    if rows == lanes and depth >= lanes:
        for step in range((depth + lanes - 1) // lanes):
            k = min(step * lanes, depth - lanes)
            transpose_square(array(start, 1, like)[0], start + size * k * a_k, a_k, out + size * k, depth)
        return
    source, target = array(start, (depth - 1) * a_k + rows, like), array(out, rows * depth, like)
    for m in range(rows):
        for k in range(depth):
            target[m * depth + k] = source[m + k * a_k]


@piece()
def _not_zero(line):
    count = 0
    for i in range(line.size):  # in vectors, as numpy.count_nonzero is not
        count += line[i] != 0
    return count


not_zero: Any = np.count_nonzero if JIT_OFF else _not_zero  # numbers of an array that are not


@piece()
def pays(like, size, start, rows, depth, a_row, a_k):
    """Whether few enough of a block's numbers are not zero; a[m, k] is ``start[m · a_row + k · a_k]``.

    Where it is true, they are; where a sample says that they are too many, no more are counted.
    """
    if rows <= FEW:
        return True
    lines, length, step = (rows, depth, a_row) if a_k == 1 else (depth, rows, a_k)
    found = 0
    for m in range(0, lines, SAMPLE):
        found += not_zero(array(start + size * m * step, length, like))
    if found > MOST * length * ((lines + SAMPLE - 1) // SAMPLE):
        return False
    found = 0
    for m in range(lines):
        found += not_zero(array(start + size * m * step, length, like))
    return found <= MOST * rows * depth


@register_jitable
def room(numbers):
    """The numbers that each part of a list has room for: an even number, so that float64 stays aligned."""
    return (numbers + AT_ONCE) // 2 * 2 + 2


@register_jitable
def capacity(rows, depth):
    """The same for all the lists of a block that `pays`."""
    return room(rows * depth if rows <= FEW else int(MOST * rows * depth))


@piece()
def list_one(like, size, source, depth, step, places, values, count):
    """Append ``depth`` numbers that follow each other, but zeros, to a list that has ``count``; the new count.

    Both parts of a list have room for `AT_ONCE` numbers more.
    """
    lanes = MACHINE.size // size
    whole = depth // lanes
    count = list_row(array(source, 1, like)[0], source, whole, step, places, values, count)
    row, far = array(source, depth, like), count + depth - whole * lanes
    some_places, some = typed_array(places, far, np.int32), array(values, far, like)
    for k in range(whole * lanes, depth):
        if row[k] != 0:
            some_places[count], some[count] = k * step, row[k]
            count += 1
    return count


@piece()
def list_rows(like, size, start, rows, depth, a_row, a_k, step, lists, turned):
    """Write the lists of a block of a that `pays`; b's rows are ``step`` numbers apart.

    ``turned``: scratch for a vector's rows of a transposed block.
    """
    starts, places = typed_array(lists, rows + 1, np.int64), lists + 8 * (rows + 1)
    values = places + 4 * capacity(rows, depth)
    lanes, count = MACHINE.size // size, 0
    for m in range(rows):
        starts[m] = count
        if a_k == 1:
            source = start + size * m * a_row
        else:
            if m % lanes == 0:
                turn(like, size, start + size * m, min(lanes, rows - m), depth, a_k, turned)
            source = turned + size * (m % lanes) * depth
        count = list_one(like, size, source, depth, step, places, values, count)
    starts[rows] = count


@piece()
def sum_row_of(like, size, rows, depth, lists, m, b, panel_step, width, init, out):
    """Sums of row m of the block listed in ``lists``: ``width`` ≤ COLUMNS columns, each `PANEL` of them ``panel_step``
    numbers from the one before."""
    starts, most = typed_array(lists, rows + 1, np.int64), capacity(rows, depth)
    begin, places = starts[m], lists + 8 * (rows + 1)
    values = places + 4 * most
    sum_row(
        array(init, 1, like)[0], starts[m + 1] - begin, places + 4 * begin, values + size * begin, b, panel_step, width,
        init, out,
    )  # fmt: skip
