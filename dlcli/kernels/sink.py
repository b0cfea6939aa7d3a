"""The end of every weight gradient: store it, add it, or update the parameter by eq. (4) at once.

A sink is four arguments: ``kind`` (see `dlcli.layers.base.Sink`), ``target``, ``velocity`` and ``constants``
= (ε, α, λ). Settling a row while it is still in cache saves writing the gradient and reading it back.

The gradient of a parameter that several layers use comes in parts, g_1, g_2, …, and eq. (4) takes it in parts too:

    BEGIN: Δw ← α Δw − ε (g_1 + λ w)      CONTINUE: Δw ← Δw − ε g_i      FINISH: Δw ← Δw − ε g_n, w ← w + Δw

so that no gradient is stored, and w stays until all have read it. Where α is 0 for good, Δw need not be kept:

    MOVE: w ← w − ε (g + λ w)

which has the bits of UPDATE, and reads and writes half as much.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import njit, types
from numba.core.cgutils import for_range
from numba.extending import intrinsic

from dlcli.kernels import vectors
from dlcli.kernels.addresses import array, place, typed_array
from dlcli.kernels.launch import Kernel, Launch, Planned
from dlcli.kernels.tile import PANEL
from dlcli.kernels.vectors import JIT_OFF, constant

Array = npt.NDArray[Any]

STORE, ADD, UPDATE, BEGIN, CONTINUE, FINISH, MOVE = range(7)  # from UPDATE on by eq. (4)
SERIAL = 50_000  # numbers below which waking the threads costs more than it saves
PIECE = 4096  # numbers of a task of `update`
BLOCK, STRANDS = 65536, 16  # numbers whose squares are summed by one thread; partial sums of them


def part(kind: int, first: bool, last: bool) -> int:
    """The kind of sink for one part of a gradient, the first or the last of them, whose whole goes to ``kind``."""
    if kind == STORE:
        return STORE if first else ADD
    if kind not in (UPDATE, MOVE) or (first and last):
        return kind
    return BEGIN if first else FINISH if last else CONTINUE


@njit
def settle(kind, gradient, target, velocity, constants):
    """Send one row of a gradient to its sink; all arrays are 1-D and of one length."""
    if kind == STORE:
        for i in range(gradient.size):
            target[i] = gradient[i]
    elif kind == ADD:
        for i in range(gradient.size):
            target[i] += gradient[i]
    elif kind == UPDATE:
        rate, momentum, decay = constants[0], constants[1], constants[2]
        for i in range(gradient.size):
            change = momentum * velocity[i] - rate * (gradient[i] + decay * target[i])
            velocity[i] = change
            target[i] += change
    elif kind == MOVE:
        rate, decay = constants[0], constants[2]
        for i in range(gradient.size):
            target[i] -= rate * (gradient[i] + decay * target[i])
    elif kind == BEGIN:
        rate, momentum, decay = constants[0], constants[1], constants[2]
        for i in range(gradient.size):
            velocity[i] = momentum * velocity[i] - rate * (gradient[i] + decay * target[i])
    else:
        rate = constants[0]
        for i in range(gradient.size):
            velocity[i] -= rate * gradient[i]
        if kind == FINISH:
            for i in range(gradient.size):
                target[i] += velocity[i]


def _change_rows(rate, keeps, moves):
    """Signature and code of an update of Δw, where it is kept, and of w where it ``moves``."""
    itemsize = rate.bitwidth // 8
    lanes = vectors.lanes_of(itemsize)

    def codegen(context, builder, signature, arguments):
        rows, width, g, g_row, w, v, row, *hyperparameters = arguments
        g, w, v = (vectors.pointer(builder, x, itemsize) for x in (g, w, v))
        rate, momentum, decay = (vectors.spread(builder, x, lanes) for x in hyperparameters)
        whole = builder.sdiv(width, constant(lanes))
        rest = builder.srem(width, constant(lanes))
        mask = vectors.first_lanes(builder, rest, lanes)

        def change(m: ir.Value, n: ir.Value, mask: ir.Value | None) -> None:
            place = builder.add(builder.mul(m, row), n)
            g_at = builder.gep(g, [builder.add(builder.mul(m, g_row), n)])
            w_at, v_at = builder.gep(w, [place]), builder.gep(v, [place])
            old = vectors.load(builder, w_at, lanes, mask)
            slope = builder.fadd(vectors.load(builder, g_at, lanes, mask), builder.fmul(decay, old))
            step, results = builder.fmul(rate, slope), []
            if keeps:
                kept = builder.fmul(momentum, vectors.load(builder, v_at, lanes, mask))
                delta = builder.fsub(kept, step)
                results.append((delta, v_at))
            if moves:
                results.append((builder.fadd(old, delta) if keeps else builder.fsub(old, step), w_at))
            if mask is None:
                for value, at in results:
                    vectors.store(builder, value, at)
            else:
                values, places = (list(column) for column in zip(*results, strict=True))
                vectors.store_first(builder, values, places, rest, mask)

        with builder.if_else(builder.icmp_signed("==", width, constant(PANEL))) as (panel, other):
            with panel, for_range(builder, rows) as outer:
                for n in range(0, PANEL, lanes):
                    change(outer.index, constant(n), None)
            with other, for_range(builder, rows) as outer:
                with for_range(builder, whole) as inner:
                    change(outer.index, builder.mul(inner.index, constant(lanes)), None)
                with builder.if_then(builder.icmp_signed(">", rest, constant(0))):
                    change(outer.index, builder.mul(whole, constant(lanes)), mask)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 7, rate, rate, rate), codegen


@intrinsic
def _update_rows(typing, rows, width, g, g_row, w, v, row, rate, momentum, decay):
    return _change_rows(rate, keeps=True, moves=True)


@intrinsic
def _begin_rows(typing, rows, width, g, g_row, w, v, row, rate, momentum, decay):
    return _change_rows(rate, keeps=True, moves=False)


@intrinsic
def _move_rows(typing, rows, width, g, g_row, w, v, row, rate, momentum, decay):
    return _change_rows(rate, keeps=False, moves=True)


def _begin_rows_twin(rows, width, g, g_row, w, v, row, rate, momentum, decay):
    g, w, v = (vectors.view(x, (rows, width), (y, 1), rate.itemsize) for x, y in ((g, g_row), (w, row), (v, row)))
    v[:] = momentum * v - rate * (g + decay * w)


def _update_rows_twin(rows, width, g, g_row, w, v, row, rate, momentum, decay):
    _begin_rows_twin(rows, width, g, g_row, w, v, row, rate, momentum, decay)
    w, v = (vectors.view(x, (rows, width), (row, 1), rate.itemsize) for x in (w, v))
    w += v


def _move_rows_twin(rows, width, g, g_row, w, v, row, rate, momentum, decay):
    g, w = (vectors.view(x, (rows, width), (y, 1), rate.itemsize) for x, y in ((g, g_row), (w, row)))
    w -= rate * (g + decay * w)


# Eq. (4) on a block: g, w and v are addresses, rows ``g_row`` and ``row`` elements apart; edges are masked, so that
# a narrow block costs no scalar loop. The operations and their order are those of `settle`.
update_rows: Any = _update_rows_twin if JIT_OFF else _update_rows
# The same, but w stays.
begin_rows: Any = _begin_rows_twin if JIT_OFF else _begin_rows
# The same with momentum 0, but Δw is neither read nor written.
move_rows: Any = _move_rows_twin if JIT_OFF else _move_rows


@njit
def apply_rows(kind, rows, width, g, g_row, w, v, row, constants):
    """A block of a gradient, whole or in part, applied by eq. (4); see `update_rows`."""
    rate, momentum, decay = constants[0], constants[1], constants[2]
    if kind == MOVE:
        move_rows(rows, width, g, g_row, w, v, row, rate, momentum, decay)
        return
    if kind > BEGIN:
        momentum, decay = constants.dtype.type(1), constants.dtype.type(0)
    if kind in (UPDATE, FINISH):
        update_rows(rows, width, g, g_row, w, v, row, rate, momentum, decay)
    else:
        begin_rows(rows, width, g, g_row, w, v, row, rate, momentum, decay)


def _update(p, first, last, shared, scratch):
    constants = array(p[3], 3, scratch)
    start, end = first * PIECE, min(last * PIECE, p[4])
    offset, width = start * constants.itemsize, end - start
    update_rows(
        1, width, p[0] + offset, width, p[1] + offset, p[2] + offset, width, constants[0], constants[1], constants[2]
    )


_UPDATE = Kernel(_update)


@Planned
def update(gradient: Array, weights: Array, velocity: Array, constants: Array) -> list[Launch]:
    """Eq. (4) with a stored gradient; all arrays are contiguous and of one size."""
    for held in (gradient, weights, velocity):
        if not held.flags.c_contiguous:
            raise ValueError(f"the array must be contiguous, found strides {held.strides}")
    arguments = (gradient, weights, velocity, constants, weights.size)
    return [Launch(_UPDATE, weights.dtype, -(-weights.size // PIECE), arguments, parallel=weights.size >= SERIAL)]


def _squares(p, first, last, shared, scratch):
    strands, totals = typed_array(place(scratch), STRANDS, np.float64), typed_array(p[1], p[3], np.float64)
    itemsize = array(p[0], 1, scratch).itemsize
    for task in range(first, last):
        x = array(p[0] + task * BLOCK * itemsize, min(BLOCK, p[2] - task * BLOCK), scratch)
        for lane in range(STRANDS):
            strands[lane] = 0.0
        whole = x.size // STRANDS
        for block in range(whole):
            for lane in range(STRANDS):
                value = np.float64(x[block * STRANDS + lane])
                strands[lane] += value * value
        for lane in range(x.size - whole * STRANDS):
            value = np.float64(x[whole * STRANDS + lane])
            strands[lane] += value * value
        total = 0.0
        for lane in range(STRANDS):
            total += strands[lane]
        totals[task] = total


_SQUARES = Kernel(_squares)


@Planned
def squares(x: Array, totals: Array) -> list[Launch]:
    """totals (blocks,) float64 ← Σ x² of each `BLOCK` neighbours of a contiguous 1-D array, in strands."""
    arguments = (x, totals, x.size, totals.size)
    return [Launch(_SQUARES, x.dtype, totals.size, arguments, parallel=x.size >= SERIAL, scratch=8 * STRANDS)]


def sum_of_squares(x: Array) -> float:
    """Σ x² of a 1-D array, in float64, in an order that its size alone decides."""
    totals = np.zeros(-(-x.size // BLOCK))
    squares(np.ascontiguousarray(x), totals)
    return sum(totals.tolist(), 0.0)
