"""Panels: `PANEL` columns of an operand side by side, a row for each step of k, padded with zeros.

A tile reads its second operand in this form: contiguous, in the first-level cache, and with no edge to mask. Packing
costs a load and a store per vector, paid back by every row of the product; where an operand is wanted transposed, it
is transposed in registers, a square of lanes at a time.
"""

from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.core.cgutils import for_range
from numba.extending import intrinsic

from dlcli.kernels import vectors
from dlcli.kernels.tile import PANEL, row_limit
from dlcli.kernels.vectors import I32, JIT_OFF, MACHINE, constant

STEPS = 16  # of k, that strips are packed by


@intrinsic
def _copy_rows(typing, like, rows, width, source, source_row, panel):
    itemsize = like.bitwidth // 8
    lanes = vectors.lanes_of(itemsize)
    starts = range(0, PANEL, lanes)

    def codegen(context, builder, signature, arguments):
        _, rows, width, source, source_row, panel = arguments
        source, panel = (vectors.pointer(builder, x, itemsize) for x in (source, panel))
        masks = [vectors.first_lanes(builder, builder.sub(width, constant(start)), lanes) for start in starts]
        with for_range(builder, rows) as loop:
            row = builder.gep(source, [builder.mul(loop.index, source_row)])
            out = builder.gep(panel, [builder.mul(loop.index, constant(PANEL))])
            for start, mask in zip(starts, masks, strict=True):
                value = vectors.load(builder, builder.gep(row, [constant(start)]), lanes, mask)
                vectors.store(builder, value, builder.gep(out, [constant(start)]))
        return context.get_dummy_value()

    return types.void(like, *[types.intp] * 5), codegen


@intrinsic
def _copy_strip(typing, like, depth, rows, source, source_row, out, out_row):
    itemsize = like.bitwidth // 8
    lanes, limit = vectors.lanes_of(itemsize), row_limit(itemsize)
    starts = range(0, limit, lanes)

    def codegen(context, builder, signature, arguments):
        _, depth, rows, source, source_row, out, out_row = arguments
        source, out = (vectors.pointer(builder, x, itemsize) for x in (source, out))
        masks = [vectors.first_lanes(builder, builder.sub(rows, constant(start)), lanes) for start in starts]
        with for_range(builder, depth) as loop:
            step = builder.gep(source, [builder.mul(loop.index, source_row)])
            place = builder.gep(out, [builder.mul(loop.index, out_row)])
            for start, mask in zip(starts, masks, strict=True):
                value = vectors.load(builder, builder.gep(step, [constant(start)]), lanes, mask)
                vectors.store(builder, value, builder.gep(place, [constant(start)]))
        return context.get_dummy_value()

    return types.void(like, *[types.intp] * 6), codegen


@intrinsic
def _transpose_square(typing, like, source, source_row, out, out_row):
    itemsize = like.bitwidth // 8
    lanes = vectors.lanes_of(itemsize)

    def codegen(context, builder, signature, arguments):
        _, source, source_row, out, out_row = arguments
        source, out = (vectors.pointer(builder, x, itemsize) for x in (source, out))

        def row(base: ir.Value, stride: ir.Value, m: int) -> ir.Value:
            return builder.gep(base, [builder.mul(stride, constant(m))])

        rows = [vectors.load(builder, row(source, source_row, m), lanes) for m in range(lanes)]
        half = 1
        while half < lanes:  # exchange the off-diagonal halves of every square of 2 · half
            low = [i + lanes - half if i & half else i for i in range(lanes)]
            high = [i + lanes if i & half else i + half for i in range(lanes)]
            for m in (m for m in range(lanes) if not m & half):
                pair = rows[m], rows[m + half]
                for place, lane in ((m, low), (m + half, high)):
                    mask = ir.Constant(ir.VectorType(I32, lanes), lane)
                    rows[place] = builder.shuffle_vector(*pair, mask)
            half *= 2
        for m in range(lanes):
            vectors.store(builder, rows[m], row(out, out_row, m))
        return context.get_dummy_value()

    return types.void(like, *[types.intp] * 4), codegen


def _copy_rows_twin(like, rows, width, source, source_row, panel):
    out = vectors.view(panel, (rows, PANEL), (PANEL, 1), like.itemsize)
    out[:] = 0
    out[:, :width] = vectors.view(source, (rows, width), (source_row, 1), like.itemsize)


def _copy_strip_twin(like, depth, rows, source, source_row, out, out_row):
    step = vectors.view(source, (depth, rows), (source_row, 1), like.itemsize)
    vectors.view(out, (depth, rows), (out_row, 1), like.itemsize)[:] = step


def _transpose_square_twin(like, source, source_row, out, out_row):
    lanes = vectors.lanes_of(like.itemsize)
    square = vectors.view(source, (lanes, lanes), (source_row, 1), like.itemsize)
    vectors.view(out, (lanes, lanes), (out_row, 1), like.itemsize)[:] = square.T


copy_rows: Any = _copy_rows_twin if JIT_OFF else _copy_rows
copy_strip: Any = _copy_strip_twin if JIT_OFF else _copy_strip
transpose_square: Any = _transpose_square_twin if JIT_OFF else _transpose_square


@njit
def pack(source, i, j, depth, width, out, first):
    """out[first:] ← the panel whose step k is ``source[i + k, j : j + width]``; out is flat."""
    size = source.itemsize
    start = source.ctypes.data + i * source.strides[0] + j * size
    copy_rows(out[0], depth, width, start, source.strides[0] // size, out.ctypes.data + size * first)


@njit
def pack_transposed(source, i, j, depth, width, out, first):
    """out[first:] ← the panel whose column n is ``source[i + n, j : j + depth]``; out is flat."""
    size = source.itemsize
    lanes = MACHINE.size // size
    if width < PANEL:
        for place in range(first, first + depth * PANEL):
            out[place] = 0
    if depth < lanes or width < lanes:
        for n in range(width):
            for k in range(depth):
                out[first + k * PANEL + n] = source[i + n, j + k]
        return
    row = source.strides[0] // size
    for square in range((width + lanes - 1) // lanes):
        n = min(square * lanes, width - lanes)  # the last squares overlap the ones before
        for step in range((depth + lanes - 1) // lanes):
            k = min(step * lanes, depth - lanes)
            start = source.ctypes.data + (i + n) * source.strides[0] + (j + k) * size
            transpose_square(out[0], start, row, out.ctypes.data + size * (first + k * PANEL + n), PANEL)


@njit
def pack_strips(like, size, depth, rows, height, source, source_row, out, strip_size):
    """out ← a transposed operand: for each of ``depth`` steps of k, ``height`` rows of a tile side by side.

    ``size``: bytes of an element. Strips are ``strip_size`` elements apart: depth · height, and room for two vectors,
    since the copies write past their end. A few steps at a time: a line of the source is near while strips share it.
    """
    for k in range(0, depth, STEPS):
        for first in range(0, rows, height):
            place = out + size * (first // height * strip_size + k * height)
            start = source + size * (k * source_row + first)
            copy_strip(like, min(STEPS, depth - k), min(height, rows - first), start, source_row, place, height)
