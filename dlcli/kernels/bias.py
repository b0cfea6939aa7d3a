"""The way back through activation function and bias: slopes and column sums in one pass over the gradient.

d (rows, columns) becomes the gradient before the activation function, in place or, where it is part of a larger array
(see `dlcli.kernels.launch.Rows`), elsewhere; a bias's gradient is the sum of its rows.
Rows are summed in chunks, whose size the shape alone decides, and the chunks' sums are added in order.
"""

from typing import Any

import numpy as np

from dlcli.kernels import activation as activations
from dlcli.kernels.activation import LINEAR, slope_row, slope_rows
from dlcli.kernels.addresses import array
from dlcli.kernels.launch import Kernel, Launch, Planned, Rows, piece
from dlcli.kernels.sink import settle

Array = np.ndarray[Any, Any]

CHUNK, LEAST_ROWS = 16384, 8  # elements of a chunk, about; rows, at least
PIECE = 2048  # elements whose slopes are taken at a time: the sums find them in the first-level cache


@piece()
def _add_rows(start, rows, totals, like):
    """totals ← totals + each of ``rows`` rows from an address on, in order."""
    columns, row = totals.size, totals.nbytes
    whole = rows // 4 * 4
    for place in range(start, start + whole * row, 4 * row):
        a, b = array(place, columns, like), array(place + row, columns, like)
        c, d = array(place + 2 * row, columns, like), array(place + 3 * row, columns, like)
        for n in range(columns):
            totals[n] = (((totals[n] + a[n]) + b[n]) + c[n]) + d[n]
    for place in range(start + whole * row, start + rows * row, row):
        a = array(place, columns, like)
        for n in range(columns):
            totals[n] += a[n]


def _slopes(p, first, last, shared, scratch):
    """Tasks: chunks of rows; ``shared`` ← their column sums. A single chunk's go to the sink at once."""
    rows, columns, chunks, function, kind = p[0], p[1], p[2], p[3], p[4]
    out, y_apart, d_apart = p[10], p[11], p[12]
    size = array(p[5], 1, scratch).itemsize
    piece = max(4, PIECE // columns // 4 * 4)
    for chunk in range(first, last):
        r0, r1 = chunk * rows // chunks, (chunk + 1) * rows // chunks
        totals = array(shared + size * chunk * columns, columns, scratch)
        for n in range(columns):
            totals[n] = 0
        for start in range(r0, r1, piece):
            count = min(piece, r1 - start)
            place = size * start * columns
            if out != p[6]:
                y, d = p[5] + size * start * y_apart, p[6] + size * start * d_apart
                slope_rows(function, y, y_apart, d, d_apart, out + place, count, columns, scratch)
            elif function != LINEAR:
                flat = array(p[5] + place, count * columns, scratch)
                slope_row(function, flat, array(out + place, count * columns, scratch))
            _add_rows(out + place, count, totals, scratch)
        if chunks == 1:
            settle(kind, totals, array(p[7], columns, scratch), array(p[8], columns, scratch), array(p[9], 3, scratch))


def _finish(p, first, last, shared, scratch):
    """One task: the chunks' sums, in order, to the sink."""
    chunks, columns, kind = p[0], p[1], p[2]
    totals = array(shared, columns, scratch)
    _add_rows(shared + totals.nbytes, chunks - 1, totals, scratch)
    settle(kind, totals, array(p[3], columns, scratch), array(p[4], columns, scratch), array(p[5], 3, scratch))


SLOPES, FINISH = Kernel(_slopes), Kernel(_finish)


@Planned
def backward(
    function: int, y: Array, d: Array, kind: int, target: Array, velocity: Array, constants: Array,
    out: Array | None = None,
) -> list[Launch]:  # fmt: skip
    """d ← d · f'(x), taken from y = f(x), both (rows, columns); its column sums (columns,) are sent to a sink.

    With ``out`` (rows, columns) it goes there, and the rows of y and d may lie apart.
    """
    rows, columns = d.shape
    chunks = max(1, min(rows // LEAST_ROWS, -(-d.size // CHUNK)))
    parallel, shared = d.size >= activations.SERIAL, d.itemsize * chunks * columns
    ys, ds = (y, d) if out is None else (Rows(y), Rows(d))
    arguments = (rows, columns, chunks, function, kind, ys, ds, target, velocity, constants,
                 d if out is None else out, Rows(y).apart, Rows(d).apart)  # fmt: skip
    launches = [Launch(SLOPES, d.dtype, chunks, arguments, parallel=parallel, shared=shared)]
    if chunks > 1:
        settling = (chunks, columns, kind, target, velocity, constants)
        launches.append(Launch(FINISH, d.dtype, 1, settling, shared=shared))
    return launches
