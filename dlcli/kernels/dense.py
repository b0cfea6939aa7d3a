"""The dense layer's products, eq. (2): x_j = b_j + Σ_i y_i w_ij, and the two of its gradients.

All four are one blocked product, target = f(a · b + bias), on the tile of `dlcli.kernels.tile`. The output is cut into
blocks of rows and of panels, dealt out to the threads; a block's sum is cut into chunks of k. Per chunk the panels of
b are packed, and stay in the second-level cache while the rows of a, read in place, pass in the first. A block of rows
is finished (activation function, or eq. (4)) while it is still there.

Every output element is one sum in the order of k, owned by one thread. Cutting changes no bit: neither the
number of threads nor the other samples of the batch matter.
"""

from functools import lru_cache
from typing import Any

import numpy as np
from numba import get_num_threads, njit, prange

from dlcli.kernels import tile as tiles
from dlcli.kernels.activation import LINEAR, activate_row
from dlcli.kernels.panel import pack, pack_transposed
from dlcli.kernels.sink import ADD, STORE, UPDATE, update_rows
from dlcli.kernels.tile import PANEL, ROWS
from dlcli.kernels.workspace import ones, workspace, zeros

DEPTH = 256  # steps of k in a chunk
BLOCK_ROWS = 8 * ROWS if ROWS > 8 else 16 * ROWS  # about a hundred
BLOCK_PANELS = 128 // PANEL
PACKED = DEPTH * BLOCK_PANELS * PANEL  # elements of scratch: the panels, and the sums of a block for eq. (4)
SCRATCH = PACKED + BLOCK_ROWS * BLOCK_PANELS * PANEL
SERIAL = 300_000  # multiply-adds below which waking the threads costs more than it saves
ORIGIN = np.zeros(2, np.int64)  # the offsets of a sum's only run

Array = np.ndarray[Any, Any]


@njit(cache=True)
def share(part, parts, total):
    """The bounds of one of ``parts`` nearly equal shares of ``range(total)``."""
    return part * total // parts, (part + 1) * total // parts


@njit(cache=True)
def _pack_block(b, b_transposed, k0, k1, n0, n1, panels):
    for n in range(n0, n1, PANEL):
        first, width = (n - n0) * (k1 - k0), min(PANEL, n1 - n)
        if b_transposed:
            pack_transposed(b, n, k0, k1 - k0, width, panels, first)
        else:
            pack(b, k0, n, k1 - k0, width, panels, first)


@njit(cache=True)
def _finish(rows, n0, n1, function, kind, sums, target, velocity, constants, first):
    """The end of ``rows`` rows of a block, from row ``first`` of the target and the columns n0 … n1."""
    if kind == UPDATE:
        start, size = first * target.strides[0] + n0 * target.itemsize, target.itemsize
        rate, momentum, decay = constants[0], constants[1], constants[2]
        real = target.dtype.type
        update_rows(
            rows, n1 - n0, sums, BLOCK_PANELS * PANEL, target.ctypes.data + start, velocity.ctypes.data + start,
            target.strides[0] // size, real(rate), real(momentum), real(decay),
        )  # fmt: skip
    elif function != LINEAR:
        for m in range(first, first + rows):
            activate_row(function, target[m, n0:n1])


@njit(cache=True)
def _blocks(first, last, grid, tile, a, a_transposed, b, b_transposed, bias, function, sink, origin, scratch):
    """Blocks ``first`` … ``last`` of the product, numbered down the columns of ``grid`` = (row, column blocks)."""
    kind, target, velocity, constants = sink
    size = a.itemsize
    rows_total, columns_total = target.shape
    depth_total = a.shape[0] if a_transposed else a.shape[1]
    a_row, a_k = a.strides[0] // size, a.strides[1] // size
    if a_transposed:
        a_row, a_k = a_k, a_row
    chunks, panels_total = (depth_total + DEPTH - 1) // DEPTH, (columns_total + PANEL - 1) // PANEL
    limit = ROWS if size == 4 else ROWS // 2
    packed = -1
    for block in range(first, last):
        p0, p1 = share(block // grid[0], grid[1], panels_total)
        m0, m1 = share(block % grid[0], grid[0], rows_total)
        n0, n1 = p0 * PANEL, min(p1 * PANEL, columns_total)
        strips = (m1 - m0 + limit - 1) // limit
        for chunk in range(chunks):
            k0, k1 = chunk * DEPTH, min((chunk + 1) * DEPTH, depth_total)
            if chunks > 1 or packed != p0:
                _pack_block(b, b_transposed, k0, k1, n0, n1, scratch)
                packed = p0
            for strip in range(strips):
                r0, r1 = share(strip, strips, m1 - m0)
                if kind == UPDATE:
                    out_row = BLOCK_PANELS * PANEL
                    out = scratch.ctypes.data + size * (PACKED + r0 * out_row)
                else:
                    out_row = target.strides[0] // size
                    out = target.ctypes.data + size * ((m0 + r0) * out_row + n0)
                init, init_row = out, out_row
                if chunk == 0 and kind != ADD:
                    init, init_row = bias.ctypes.data + size * n0, 0
                left = a.ctypes.data + size * ((m0 + r0) * a_row + k0 * a_k)
                for n in range(0, n1 - n0, PANEL):
                    tiles.call(
                        tile, r1 - r0, min(PANEL, n1 - n0 - n), left, a_row, a_k, 1, k1 - k0, origin.ctypes.data,
                        scratch.ctypes.data + size * n * (k1 - k0), init + size * n, init_row, out + size * n, out_row,
                    )  # fmt: skip
                if chunk == chunks - 1:
                    _finish(r1 - r0, n0, n1, function, kind, out, target, velocity, constants, m0 + r0)


@njit(cache=True, parallel=True)
def _parallel_blocks(workers, grid, tile, a, a_transposed, b, b_transposed, bias, function, sink, origin, scratch):
    for worker in prange(workers):
        first, last = share(np.int64(worker), workers, grid[0] * grid[1])
        _blocks(
            first, last, grid, tile, a, a_transposed, b, b_transposed, bias, function, sink, origin, scratch[worker]
        )


@lru_cache(maxsize=1024)
def _grid(rows: int, columns: int, workers: int) -> tuple[int, int]:
    """Row and column blocks: few, and such that the busiest worker has the least to do."""
    panels = -(-columns // PANEL)
    least_rows, least_columns = -(-rows // BLOCK_ROWS), -(-panels // BLOCK_PANELS)

    def busiest(grid: tuple[int, int]) -> float:
        blocks = grid[0] * grid[1]
        most = -(-blocks // workers)  # every block has nearly the mean size; packing costs about 8 rows
        return most * (rows / grid[0] + 8) * -(-panels // grid[1])

    candidates = [
        (least_rows + i, least_columns + j)
        for j in range(min(2 * workers, panels - least_columns + 1))
        for i in range(min(2 * workers, rows - least_rows + 1))
    ]
    return min(candidates, key=busiest)


def _run(a, a_transposed, b, b_transposed, bias, function, kind, target, velocity, constants):
    rows, columns = target.shape
    work = rows * columns * a.shape[0 if a_transposed else 1]
    workers = 1 if work < SERIAL else get_num_threads()
    _, scratch = workspace(target.dtype, 0, workers, SCRATCH)
    sink = (kind, target, velocity, constants)
    tile, grid = tiles.address(target.itemsize), _grid(rows, columns, workers)
    rest = (grid, tile, a, a_transposed, b, b_transposed, bias, function, sink, ORIGIN)
    if workers == 1:
        _blocks(0, grid[0] * grid[1], *rest, scratch[0])
    else:
        _parallel_blocks(workers, *rest, scratch)


def forward(x: Array, weights: Array, bias: Array, function: int, y: Array) -> None:
    """y ← f(x · weights + bias): x (N, inputs), weights (inputs, units), bias (units,), y (N, units)."""
    _run(x, False, weights, False, bias, function, STORE, y, y, bias)


def forward_transposed(x: Array, weights: Array, bias: Array, function: int, y: Array) -> None:
    """y ← f(x · weightsᵀ + bias): x (N, units), weights (inputs, units), bias (inputs,), y (N, inputs)."""
    _run(x, False, weights, True, bias, function, STORE, y, y, bias)


def input_gradient(dy: Array, weights: Array, dx: Array) -> None:
    """dx ← dy · weightsᵀ: dy (N, units), weights (inputs, units), dx (N, inputs)."""
    nothing = zeros(dx.dtype, dx.shape[1])
    _run(dy, False, weights, True, nothing, LINEAR, STORE, dx, dx, nothing)


def weight_gradient(x: Array, dy: Array, kind: int, target: Array, velocity: Array, constants: Array) -> None:
    """xᵀ · dy, sent to a sink: x (N, inputs), dy (N, units), target (inputs, units)."""
    _run(x, True, dy, False, zeros(dy.dtype, dy.shape[1]), LINEAR, kind, target, velocity, constants)


def column_sums(d: Array, kind: int, target: Array, velocity: Array, constants: Array) -> None:
    """A bias's gradient: the sum of d (rows, columns) over its rows, in order, sent to a sink of (columns,).

    It is the product of a row of ones with d.
    """
    row = ones(d.dtype, len(d)).reshape(1, -1)
    flat = target.reshape(1, -1), velocity.reshape(1, -1)
    _run(row, False, d, False, zeros(d.dtype, d.shape[1]), LINEAR, kind, *flat, constants)
