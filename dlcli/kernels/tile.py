"""The register tile on which every product of the project runs, in LLVM vector code for this machine.

    out[m, n] = init[m, n] + Σ_r Σ_k a[m, k + i_r] · b[k + j_r, n]        m < rows, n < width, k < depth

The sum is over ``runs`` runs of ``depth`` steps (a dense product has one run; a convolution's patch one per kernel
row); ``offsets`` holds the pair (i_r, j_r) of each, a number of elements in a and in b. The accumulators, ``rows``
times a panel's vectors, stay in registers: a step of k is one load per vector of b, one broadcast per row of a, and a
fused multiply-add per accumulator. Lanes are outputs, so no sum ever crosses lanes and every output is one sum, in the
order of the runs and of k, whatever the vector width. A float that is stored and loaded is itself, so a long sum may
be cut anywhere and continued with ``init = out``: the bits do not change.

The numbers of rows and vectors are fixed in the code: a loop per combination, chosen by a jump at the entry. What is
not a whole panel wide takes fewer or shorter vectors, and the last one is masked in init and out; b is a packed
panel, padded to ``PANEL`` columns.

All this is compiled once, as a C function that kernels call by its address: a kernel then compiles in the time of a
few loops. Addresses are integers; strides and offsets count elements.
"""

import ctypes
import functools
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core.cgutils import alloca_once
from numba.extending import intrinsic

from dlcli.kernels import machine_code, vectors
from dlcli.kernels.vectors import I64, JIT_OFF, MACHINE, constant

ROWS = MACHINE.rows  # of a float32 tile, at most
PANEL = MACHINE.vectors * MACHINE.size // 4  # columns of a packed panel, for either type


def row_limit(itemsize: int, width: int = PANEL) -> int:
    """The most rows of a tile of ``width`` columns: twice as many where one vector holds a row, so that there are as
    many sums on their way. A float64 tile is as wide as a float32 one, with twice the vectors.
    """
    limit = ROWS if itemsize == 4 else ROWS // 2
    return 2 * limit if width <= vectors.lanes_of(itemsize) else limit


def widths(itemsize: int) -> list[tuple[int, ...]]:
    """The ways to cover up to `PANEL` columns, narrowest first: the lanes of each vector."""
    lanes = vectors.lanes_of(itemsize)
    full = [(lanes,) * count for count in range(1, PANEL // lanes + 1)]
    if lanes < 16:
        return full
    halves = [(*columns[:-1], lanes // 2) for columns in full]  # 20 columns: 16 + 8 lanes rather than 32
    return sorted(full + halves, key=sum)


class _Emitter:
    """Emits the tiles of one type: the jump, a loop for each combination of rows and vectors, the return."""

    def __init__(self, builder: ir.IRBuilder, itemsize: int, arguments: list[ir.Value]) -> None:
        self.builder, self.itemsize = builder, itemsize
        (self.rows, self.width, a, self.a_row, self.a_k, self.runs, self.depth, offsets,
         b, init, self.init_row, out, self.out_row) = arguments  # fmt: skip
        self.a, self.b, self.init, self.out = (vectors.pointer(builder, x, itemsize) for x in (a, b, init, out))
        self.offsets = builder.inttoptr(offsets, I64.as_pointer())

    def emit(self) -> None:
        builder, shapes = self.builder, widths(self.itemsize)
        most = row_limit(self.itemsize, 1)
        narrower = constant(0)  # how many of the widths are too narrow
        for columns in shapes[:-1]:
            beyond = builder.icmp_signed(">", self.width, constant(sum(columns)))
            narrower = builder.add(narrower, builder.zext(beyond, I64))
        index = builder.add(builder.mul(narrower, constant(most)), self.rows)
        done = builder.append_basic_block("done")
        jump = builder.switch(index, done)
        for position, columns in enumerate(shapes):
            for rows in range(1, row_limit(self.itemsize, sum(columns)) + 1):
                block = builder.append_basic_block(f"tile_{rows}x{sum(columns)}")
                jump.add_case(constant(position * most + rows), block)
                builder.position_at_end(block)
                self.tile(rows, columns)
                builder.branch(done)
        builder.position_at_end(done)

    def tile(self, rows: int, columns: tuple[int, ...]) -> None:
        """Load init, loop over runs and their steps, store out."""
        builder = self.builder
        starts = [sum(columns[:j]) for j in range(len(columns))]
        cells = [(m, j) for m in range(rows) for j in range(len(columns))]
        rest = builder.sub(self.width, constant(starts[-1]))
        masks = [None] * (len(columns) - 1) + [vectors.first_lanes(builder, rest, columns[-1])]

        def place(base: ir.Value, stride: ir.Value, m: int, j: int) -> ir.Value:
            return builder.gep(base, [builder.add(builder.mul(stride, constant(m)), constant(starts[j]))])

        first = {
            (m, j): vectors.load(builder, place(self.init, self.init_row, m, j), columns[j], masks[j]) for m, j in cells
        }
        # Rows of a are reached from a pointer for every three, by pointers and multiples that LLVM cannot see through:
        # it would step one pointer from row to row, a chain of additions that takes as long as all the multiplications,
        # or one for each of twelve rows, which it has no registers for.
        two_rows = vectors.opaque(builder, builder.mul(self.a_row, constant(2)))
        triples = [vectors.opaque(builder, builder.mul(self.a_row, constant(m))) for m in range(0, rows, 3)]
        row_offsets = (constant(0), self.a_row, two_rows)
        entry = builder.block
        run, step, run_end, end = (builder.append_basic_block(name) for name in ("run", "step", "run_end", "end"))
        builder.branch(run)

        builder.position_at_end(run)
        r, pair, sums_run = self.phi(constant(0), entry), self.phi(self.offsets, entry), self.phis(first, entry)
        a_run = builder.gep(self.a, [builder.load(pair)])
        b_run = builder.gep(self.b, [builder.load(builder.gep(pair, [constant(1)]))])
        a_starts = [builder.gep(a_run, [triple]) for triple in triples]
        builder.branch(step)

        builder.position_at_end(step)
        left, b = self.phi(self.depth, run), self.phi(b_run, run)
        heads = [self.phi(start, run) for start in a_starts]
        sums = self.phis(sums_run, run)
        rows_here = [vectors.opaque_pointer(builder, head) for head in heads]
        panel = [
            vectors.load(builder, builder.gep(b, [constant(start)]), lanes)
            for start, lanes in zip(starts, columns, strict=True)
        ]
        added = {}
        for m in range(rows):
            scalar = builder.load(builder.gep(rows_here[m // 3], [row_offsets[m % 3]]), align=self.itemsize)
            for j, lanes in enumerate(columns):
                spread = vectors.spread(builder, scalar, lanes)
                added[m, j] = vectors.multiply_add(builder, spread, panel[j], sums[m, j])
        left_next = builder.sub(left, constant(1))
        left.add_incoming(left_next, step)
        for head, here in zip(heads, rows_here, strict=True):
            head.add_incoming(builder.gep(here, [self.a_k]), step)
        b.add_incoming(builder.gep(b, [constant(PANEL)]), step)
        builder.cbranch(builder.icmp_signed(">", left_next, constant(0)), step, run_end)

        builder.position_at_end(run_end)
        r_next = builder.add(r, constant(1))
        r.add_incoming(r_next, run_end)
        pair.add_incoming(builder.gep(pair, [constant(2)]), run_end)
        for cell in cells:
            sums[cell].add_incoming(added[cell], step)
            sums_run[cell].add_incoming(added[cell], run_end)
        builder.cbranch(builder.icmp_signed("<", r_next, self.runs), run, end)

        builder.position_at_end(end)
        last = len(columns) - 1
        for m, j in cells:
            if j < last:
                vectors.store(builder, added[m, j], place(self.out, self.out_row, m, j))
        places = [place(self.out, self.out_row, m, last) for m in range(rows)]
        vectors.store_first(builder, [added[m, last] for m in range(rows)], places, rest, masks[last])

    def phi(self, value: ir.Value, source: ir.Block) -> ir.Value:
        made = self.builder.phi(value.type)
        made.add_incoming(value, source)
        return made

    def phis(self, values: dict[tuple[int, int], ir.Value], source: ir.Block) -> dict[tuple[int, int], ir.Value]:
        return {cell: self.phi(value, source) for cell, value in values.items()}


ARGUMENTS = 13
# The arguments travel as a record on the caller's stack: Numba's wrapper of a C function would copy what does not fit
# into registers by vectors, and a vector load waits until the numbers just stored are in the cache.
_SIGNATURE = types.void(types.intp)


def _make_tile(itemsize: int) -> Any:
    @intrinsic
    def tile(typing, record):
        def codegen(context, builder, signature, arguments):
            start = builder.inttoptr(arguments[0], I64.as_pointer())
            record = [builder.load(builder.gep(start, [constant(place)])) for place in range(ARGUMENTS)]
            _Emitter(builder, itemsize, record).emit()
            return context.get_dummy_value()

        return types.void(types.intp), codegen

    return tile


_TILE32, _TILE64 = _make_tile(4), _make_tile(8)


def _tile32(record):
    _TILE32(record)


def _tile64(record):
    _TILE64(record)


@functools.cache
def address(itemsize: int) -> int:
    """The tile of float32 (4) or float64 (8), for `call`; with the JIT off, what tells the twin the type."""
    return itemsize if JIT_OFF else machine_code.address(_tile32 if itemsize == 4 else _tile64, _SIGNATURE)


def twin(itemsize, rows, width, a, a_row, a_k, runs, depth, offsets, b, init, init_row, out, out_row):
    """The tile in NumPy, for where there is no JIT.

    A product of float32 is exact in float64, so that rounding the sum to float32 makes it a fused multiply-add (but
    for a double rounding, once in 2²⁹); in float64 the product is rounded too.
    """
    total = vectors.view(init, (rows, width), (init_row, 1), itemsize).astype(np.float64)
    for r in range(runs):
        i, j = (ctypes.c_int64 * 2).from_address(int(offsets) + 16 * int(r))
        left = vectors.view(a + itemsize * i, (depth, rows), (a_k, a_row), itemsize).astype(np.float64)
        right = vectors.view(b + itemsize * j, (depth, width), (PANEL, 1), itemsize)
        for k in range(depth):
            total += left[k, :, None] * right[k]
            if itemsize == 4:
                total = total.astype(np.float32).astype(np.float64)
    vectors.view(out, (rows, width), (out_row, 1), itemsize)[:] = total


@intrinsic
def _call(typing, tile, rows, width, a, a_row, a_k, runs, depth, offsets, b, init, init_row, out, out_row):
    def codegen(context, builder, signature, arguments):
        record = alloca_once(builder, I64, size=ARGUMENTS)
        for place, value in enumerate(arguments[1:]):
            builder.store(value, builder.gep(record, [constant(place)]))
        function = ir.FunctionType(ir.VoidType(), [I64]).as_pointer()
        builder.call(builder.inttoptr(arguments[0], function), [builder.ptrtoint(record, I64)])
        return context.get_dummy_value()

    return types.void(*[types.intp] * (1 + ARGUMENTS)), codegen


call: Any = twin if JIT_OFF else _call
