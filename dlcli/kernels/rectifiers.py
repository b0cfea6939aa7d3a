"""Rectifiers beside relu, value by value: leaky, parametric and exponential ones, and the largest of several pieces."""

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from dlcli.kernels.addresses import array, number, place, typed_array
from dlcli.kernels.channels import PLACES, block, cut, widen
from dlcli.kernels.exponential import tanh
from dlcli.kernels.launch import Kernel, Launch, Planned

Array = npt.NDArray[Any]

SERIAL = 20_000  # numbers below which waking the threads costs more than it saves
PIECE = 1024  # numbers of a task


def _leaky(p, first, last, shared, scratch):
    """out ← v where x > 0, else slope · v: with v = x the forward, with v = dy the backward pass."""
    rows, channels, together, columns, chunks, height = p[0], p[1], p[2], p[3], p[4], p[5]
    size, own = array(p[6], 1, scratch).itemsize, place(scratch)
    for task in range(first, last):
        start, count, column, width = block(task, channels, together, columns, chunks, height, rows)
        slope = array(own, min(together, count) * width, scratch)
        widen(array(p[7] + column * size, width, scratch), slope)
        one = slope.dtype.type(1)
        for row in range(start, start + count, together):
            home = (row * channels + column) * size
            x = array(p[6] + home, min(together, start + count - row) * width, scratch)
            v, out = array(p[8] + home, x.size, scratch), array(p[9] + home, x.size, scratch)
            for i in range(x.size):  # a product is always stored: no branch, so it vectorises
                low = slope[i]
                out[i] = v[i] * (one if x[i] > 0 else low)


def _elu(p, first, last, shared, scratch):
    begin, end = first * PIECE, min(last * PIECE, p[2])
    x, y = array(p[0], p[2], scratch), array(p[1], p[2], scratch)
    alpha, half = y.dtype.type(number(p[3])), y.dtype.type(0.5)
    zero, one = y.dtype.type(0), y.dtype.type(1)
    for i in range(begin, end):
        value = x[i]
        t = tanh(half * (zero if value > 0 else value))
        y[i] = (value if value > 0 else zero) + alpha * ((t + t) / (one - t))


def _elu_slope(p, first, last, shared, scratch):
    begin, end = first * PIECE, min(last * PIECE, p[3])
    y, dy, dx = array(p[0], p[3], scratch), array(p[1], p[3], scratch), array(p[2], p[3], scratch)
    alpha, one = y.dtype.type(number(p[4])), y.dtype.type(1)
    for i in range(begin, end):
        value = y[i]
        dx[i] = dy[i] * (one if value > 0 else value + alpha)


@njit(error_model="numpy")
def _larger(x, y, winners):
    """Of two pieces: loads and choices are vectors'."""
    for i in range(y.size):
        one, other = x[2 * i], x[2 * i + 1]
        better = (other > one) | ((other != other) & (one == one))
        y[i] = other if better else one
        winners[i] = np.uint8(better)


def _largest(p, first, last, shared, scratch):
    """Piece by piece through scratch, so that values are chosen by vectors: nobody could predict the branches."""
    size, pieces, own, row = p[3], p[4], place(scratch), p[5]
    winners = typed_array(p[2], size, np.uint8)
    for task in range(first, last):
        begin, count = task * PIECE, min(PIECE, size - task * PIECE)
        if pieces == 2:
            values, itemsize = array(p[1], size, scratch)[begin : begin + count], array(p[0], 1, scratch).itemsize
            _larger(array(p[0] + 2 * begin * itemsize, 2 * count, scratch), values, winners[begin : begin + count])
            continue
        x, best = array(p[0], size * pieces, scratch), array(own, count, scratch)
        winner, cells = array(own + row, count, scratch), array(own + 2 * row, count, scratch)
        y = array(p[1], size, scratch)
        for i in range(count):
            best[i], winner[i] = x[(begin + i) * pieces], 0
        for piece in range(1, pieces):
            for i in range(count):
                cells[i] = x[(begin + i) * pieces + piece]
            here = best.dtype.type(piece)
            for i in range(count):
                value, before, other = cells[i], best[i], winner[i]
                better = (value > before) | (value != value)
                best[i] = value if better else before
                winner[i] = here if better else other
        for i in range(count):
            y[begin + i], winners[begin + i] = best[i], np.uint8(np.int32(winner[i]))


@njit(error_model="numpy")
def _place(dy, winners, pieces, dx):
    zero = dx.dtype.type(0)
    if pieces == 2:
        for i in range(dy.size):
            value = dy[i]
            dx[2 * i], dx[2 * i + 1] = (zero if winners[i] else value), (value if winners[i] else zero)
        return
    for i in range(dx.size):
        dx[i] = zero
    for i in range(dy.size):
        dx[i * pieces + np.int64(winners[i])] = dy[i]


def _to_winners(p, first, last, shared, scratch):
    pieces, itemsize = p[4], array(p[0], 1, scratch).itemsize
    for task in range(first, last):
        begin, count = task * PIECE, min(PIECE, p[3] - task * PIECE)
        dy, winners = array(p[0] + begin * itemsize, count, scratch), typed_array(p[1] + begin, count, np.uint8)
        _place(dy, winners, pieces, array(p[2] + begin * pieces * itemsize, count * pieces, scratch))


_LEAKY, _ELU, _ELU_SLOPE = Kernel(_leaky), Kernel(_elu), Kernel(_elu_slope)
_LARGEST, _TO_WINNERS = Kernel(_largest), Kernel(_to_winners)


@Planned
def leaky(x: Array, slopes: Array, v: Array, out: Array) -> list[Launch]:
    """out ← v where x > 0, slope · v elsewhere; all of one shape (…, C), slopes (C,), or (1,) for one that all share.

    With v = x it is the forward pass, with v = dy the backward pass; out may be v.
    """
    shape = cut(x, slopes.size)
    arguments = (*shape, x, slopes, v, out)
    return [Launch(_LEAKY, x.dtype, shape.tasks, arguments, parallel=x.size >= SERIAL, scratch=PLACES)]


@Planned
def elu(x: Array, alpha: float, y: Array) -> list[Launch]:
    """y ← x where x > 0, α (e^x − 1) elsewhere; e^x − 1 = 2t / (1 − t) with t = tanh(x / 2), which cancels nowhere."""
    arguments = (x, y, x.size, float(alpha))
    return [Launch(_ELU, x.dtype, -(-x.size // PIECE), arguments, parallel=x.size >= SERIAL)]


@Planned
def elu_slope(y: Array, dy: Array, alpha: float, dx: Array) -> list[Launch]:
    """dx ← dy where y > 0, dy · (y + α) elsewhere."""
    arguments = (y, dy, dx, y.size, float(alpha))
    return [Launch(_ELU_SLOPE, y.dtype, -(-y.size // PIECE), arguments, parallel=y.size >= SERIAL)]


@Planned
def largest(x: Array, pieces: int, y: Array, winners: Array) -> list[Launch]:
    """y ← the largest of each ``pieces`` neighbours in x, winners (uint8) ← its place.

    The first of equals wins; NaN wins over all.
    """
    row = PIECE * x.itemsize
    arguments = (x, y, winners, y.size, pieces, row)
    return [Launch(_LARGEST, x.dtype, -(-y.size // PIECE), arguments, parallel=x.size >= SERIAL, scratch=3 * row)]


@Planned
def to_winners(dy: Array, winners: Array, pieces: int, dx: Array) -> list[Launch]:
    """dx ← dy at the winner of each ``pieces`` neighbours, zero elsewhere."""
    arguments = (dy, winners, dx, dy.size, pieces)
    return [Launch(_TO_WINNERS, dx.dtype, -(-dy.size // PIECE), arguments, parallel=dx.size >= SERIAL)]
