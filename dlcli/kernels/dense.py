"""The dense layer's products, eq. (2): x_j = b_j + Σ_i y_i w_ij, and the two of its gradients.

All four are one blocked product, target = f(a · b + bias), on the tile of `dlcli.kernels.tile`. The output is cut into
blocks of rows and of panels, dealt out to the threads; a block's sum is cut into chunks of k. Per chunk the panels of
b are packed; one of them at a time stays in the first-level cache, while the rows of a pass through. One or two rows
go by lists instead (`dlcli.kernels.sparse`), which read b where it is.
Rows of a are read in place. Where a is transposed, a tile's rows are side by side, and its steps of k far apart: then
the block of a is copied too, unless few columns would share the copy.

A tile's end is its last chunk's: eq. (4) at once, on weights and velocities that were fetched while the tile was
running; an activation function when its block is done.

Every output element is one sum in the order of k, owned by one thread. Cutting changes no bit: neither the
number of threads nor the other samples of the batch matter.
"""

from functools import cache, lru_cache
from typing import Any

import numpy as np
from numba import get_num_threads

from dlcli.kernels import activation as activations
from dlcli.kernels import sampling, sparse
from dlcli.kernels import tile as tiles
from dlcli.kernels.activation import LINEAR, SIGMOID, activate
from dlcli.kernels.addresses import array, matrix, place, typed_array
from dlcli.kernels.bias import backward as gradient_and_sums
from dlcli.kernels.constants import zeros
from dlcli.kernels.launch import Kernel, Launch, Planned, Rows, piece
from dlcli.kernels.panel import pack, pack_strips, pack_transposed
from dlcli.kernels.philox import held, signed
from dlcli.kernels.sampling import sample
from dlcli.kernels.sink import ADD, MOVE, STORE, UPDATE, apply_rows
from dlcli.kernels.tile import PANEL, ROWS
from dlcli.kernels.vectors import prefetch_rows

DEPTH = 288  # steps of k in a chunk
BLOCK_ROWS = 128 // ROWS * ROWS  # of a
BLOCK_PANELS = 512 // PANEL  # so many that few threads share the rows of a, which each prepares for itself
COPY_COLUMNS = 128  # of the output, from which on copying a transposed a is paid back
COLUMNS = BLOCK_PANELS * PANEL
STRIPS = BLOCK_ROWS * DEPTH + (2 * BLOCK_ROWS // ROWS + 2) * (PANEL + DEPTH)  # of a, copied: see `pack_strips`
LINE = 64  # bytes of a cache line
SERIAL = 300_000  # multiply-adds below which waking the threads costs more than it saves
ORIGIN = np.zeros(2, np.int64)  # the offsets of a sum's only run

NO_DRAWS = (0, 0, ORIGIN, 0)  # as `_draws`

Array = np.ndarray[Any, Any]


@piece()
def share(part, parts, total):
    """The bounds of one of ``parts`` nearly equal shares of ``range(total)``."""
    return part * total // parts, (part + 1) * total // parts


@piece()
def _pack_panels(b, transposed, k0, k1, n0, n1, out):
    for n in range(n0, n1, PANEL):
        first, width = (n - n0) * (k1 - k0), min(PANEL, n1 - n)
        if transposed:
            pack_transposed(b, n, k0, k1 - k0, width, out, first)
        else:
            pack(b, k0, n, k1 - k0, width, out, first)


@piece()
def _sum_lists(
    scratch, size, rows, depth, lists, b, apart, width, bias, bias_row, out, out_row, kind, target, velocity, row,
    constants,
):  # fmt: skip
    """A block of the output by the lists of its rows, some columns at a time, ``apart`` times as far from each other
    in b as in the output.

    Addresses are those of the block's first number. Sums begin with the bias, or, where that is 0, go on from ``out``;
    one after the other has the same place where ``out_row`` is 0. Where ``kind`` is one by eq. (4), they then go to
    the sink.
    """
    for n in range(0, width, sparse.COLUMNS):
        columns, right = min(sparse.COLUMNS, width - n), b + size * n * apart
        for m in range(rows):
            sums, at = out + size * (m * out_row + (n if out_row else 0)), size * (m * row + n)
            init = bias + size * (m * bias_row + n) if bias else sums
            sparse.sum_row_of(scratch, size, rows, depth, lists, m, right, PANEL * apart, columns, init, sums)
            if kind >= UPDATE:
                apply_rows(kind, 1, columns, sums, columns, target + at, velocity + at, row, constants)
                prefetch_rows(target + at + size * row, size * columns // LINE, LINE, 1)
                if kind != MOVE:
                    prefetch_rows(velocity + at + size * row, size * columns // LINE, LINE, 1)


@piece()
def _sum_tiles(
    tile, origin, size, rows, height, depth, left, strip_step, a_row, a_k, panels, width, bias, bias_row, out, out_row,
    kind, target, velocity, row, constants,
):  # fmt: skip
    """A block of the output by tiles of at most ``height`` rows, ``strip_step`` bytes of a apart; see `_sum_lists`."""
    for n in range(0, width, PANEL):
        columns, right = min(PANEL, width - n), panels + size * n * depth
        for m in range(0, rows, height):
            here, at = min(height, rows - m), size * (m * row + n)
            prefetch_rows(target + at, here, size * row, size * columns)
            sums, sums_row = (out + size * (m * out_row + n), out_row) if out_row else (out, PANEL)
            if kind >= UPDATE and kind != MOVE:
                prefetch_rows(velocity + at, here, size * row, size * columns)
            init, init_row = (bias + size * (m * bias_row + n), bias_row) if bias else (sums, sums_row)
            tiles.call(
                tile, here, columns, left + m // height * strip_step, a_row, a_k, 1, depth, origin, right, init,
                init_row, sums, sums_row,
            )  # fmt: skip
            if kind >= UPDATE:
                apply_rows(kind, here, columns, sums, sums_row, target + at, velocity + at, row, constants)


def _blocks(p, first, last, shared, scratch):
    """Blocks ``first`` … ``last`` of the product, numbered down the columns of the grid; for `p` see `_product`."""
    rows_total, columns_total, depth_total, grid_rows, grid_columns = p[0], p[1], p[2], p[3], p[4]
    tile, activation, function, origin, limit, size = p[5], p[6], p[7], p[8], p[9], p[10]
    a_start, a_transposed, b_start, b_transposed, bias = p[11], p[12], p[13], p[14], p[15]
    kind, target, velocity, constants = p[16], p[17], p[18], array(p[19], 3, scratch)
    sampler, step, drawn = p[20], typed_array(p[22], 1, np.int64)[0], p[26]  # the first row that is drawn for
    target_row = p[25]  # numbers from one row of the target to the next, see `Rows`
    updates, a_copied = kind >= UPDATE, a_transposed and columns_total >= COPY_COLUMNS
    a_row, a_k = (1, rows_total) if a_transposed else (depth_total, 1)
    if b_transposed:
        b = matrix(b_start, columns_total, depth_total, scratch)
    else:
        b = matrix(b_start, depth_total, columns_total, scratch)
    panels = place(scratch)
    block_a = panels + size * DEPTH * COLUMNS
    result = block_a + size * STRIPS
    row, panels_total = size * target_row, (columns_total + PANEL - 1) // PANEL
    chunks = (depth_total + DEPTH - 1) // DEPTH
    while first < last:
        column, end = first // grid_rows, min(last, (first // grid_rows + 1) * grid_rows)
        p0, p1 = share(column, grid_columns, panels_total)
        n0, n1 = p0 * PANEL, min(p1 * PANEL, columns_total)
        top = share(first % grid_rows, grid_rows, rows_total)[0]
        bottom = share((end - 1) % grid_rows, grid_rows, rows_total)[1]
        first = end
        for chunk in range(chunks):
            k0, k1 = share(chunk, chunks, depth_total)
            depth, begins, ends = k1 - k0, chunk == 0 and kind != ADD, chunk == chunks - 1
            right, columns_apart, b_row = panels, depth, PANEL
            if rows_total <= sparse.FEW and n1 - n0 >= sparse.COLUMNS and not b_transposed:
                right, columns_apart, b_row = b_start + size * (k0 * columns_total + n0), 1, columns_total
            else:
                _pack_panels(b, b_transposed, k0, k1, n0, n1, array(panels, DEPTH * COLUMNS, scratch))
            for m0 in range(top, bottom, BLOCK_ROWS):
                m1 = min(m0 + BLOCK_ROWS, bottom)
                rows, width, at = m1 - m0, n1 - n0, row * m0 + size * n0
                corner, init = a_start + size * (m0 * a_row + k0 * a_k), 0
                if begins:
                    init = bias + size * (n0 + m0 * p[24])
                out, out_row = target + at, target_row
                if updates and chunks > 1:
                    out = shared + at
                elif updates:
                    out, out_row = result, 0
                sink = kind if ends else STORE
                if width >= sparse.COLUMNS and sparse.pays(scratch, size, corner, rows, depth, a_row, a_k):
                    sparse.list_rows(scratch, size, corner, rows, depth, a_row, a_k, b_row, block_a, result)
                    _sum_lists(
                        scratch, size, rows, depth, block_a, right, columns_apart, width, init, p[24], out, out_row,
                        sink, target + at, velocity + at, target_row, constants,
                    )  # fmt: skip
                else:
                    strips = (rows + limit - 1) // limit
                    height = (rows + strips - 1) // strips
                    left, apart, left_row, left_k = corner, size * height * a_row, a_row, a_k
                    if a_copied:
                        left, apart, left_row, left_k = block_a, size * (depth * height + PANEL), 1, height
                        pack_strips(
                            constants[0], size, depth, rows, height, corner, rows_total, block_a, depth * height + PANEL
                        )
                    _sum_tiles(
                        tile, origin, size, rows, height, depth, left, apart, left_row, left_k, panels, width, init,
                        p[24], out, out_row, sink, target + at, velocity + at, target_row, constants,
                    )  # fmt: skip
                if ends and (function != LINEAR or sampler):
                    for m in range(m0, m1):
                        at = row * m + size * n0
                        if function != LINEAR:
                            activate(activation, function, target + at, n1 - n0)
                        if sampler and m >= drawn:  # nothing reads block_a any more
                            state = p[23] + at - row * drawn
                            sample(sampler, p[21], step, m - drawn, n0, n1 - n0, target + at, state, block_a)


BLOCKS = Kernel(_blocks)


@lru_cache(maxsize=1024)
def _grid(rows: int, columns: int, workers: int) -> tuple[int, int]:
    """Row and column blocks: few, and such that the busiest worker has the least to do."""
    panels = -(-columns // PANEL)
    least_rows, least_columns = -(-rows // BLOCK_ROWS), -(-panels // BLOCK_PANELS)

    def busiest(grid: tuple[int, int]) -> float:
        blocks = grid[0] * grid[1]
        most = -(-blocks // workers)  # every block has nearly the mean size
        mine, wide = rows / grid[0], -(-panels // grid[1])
        return most * ((mine + 8) * wide + 1.5 * mine)  # packing b costs about 8 rows, listing a 1.5 panels

    candidates = [
        (least_rows + i, least_columns + j)
        for j in range(min(2 * workers, panels - least_columns + 1))
        for i in range(min(2 * workers, rows - least_rows + 1))
    ]
    return min(candidates, key=busiest)


@cache
def code(itemsize: int) -> tuple[int, int]:
    """The addresses of the tile and of the activation functions."""
    return tiles.address(itemsize), activations.address(itemsize)


def _product(a, a_transposed, b, b_transposed, bias, function, kind, target, velocity, constants, draws=None):
    rows, columns = target.shape
    depth = a.shape[0 if a_transposed else 1]
    parallel = rows * columns * depth >= SERIAL
    grid = _grid(rows, columns, get_num_threads() if parallel else 1)
    size = target.itemsize
    stored = Rows(target)
    arguments = (
        rows, columns, depth, *grid, *code(size), function, ORIGIN, tiles.row_limit(size), size,
        a, a_transposed, b, b_transposed, bias, kind, stored, velocity if kind >= UPDATE else stored, constants,
        *(draws or NO_DRAWS), columns if bias.ndim > 1 else 0, stored.apart, rows - len(draws[-1]) if draws else 0,
    )  # fmt: skip
    chunks = -(-depth // DEPTH)
    return [
        Launch(
            BLOCKS, target.dtype, grid[0] * grid[1], arguments, parallel=parallel,
            shared=target.nbytes if kind >= UPDATE and chunks > 1 else 0,
            scratch=size * (DEPTH * COLUMNS + STRIPS + max(ROWS * PANEL, sparse.TURNED * DEPTH)),
        )
    ]  # fmt: skip


@Planned
def forward(x: Array, weights: Array, bias: Array, function: int, y: Array) -> list[Launch]:
    """y ← f(x · weights + bias): x (N, inputs), weights (inputs, units), bias (units,) or (N, units), y (N, units),
    whose rows may lie apart.
    """
    return _product(x, False, weights, False, bias, function, STORE, y, y, bias)


@Planned
def forward_transposed(x: Array, weights: Array, bias: Array, function: int, y: Array) -> list[Launch]:
    """y ← f(x · weightsᵀ + bias): x (N, units), weights (inputs, units), bias (inputs,), y (N, inputs)."""
    return _product(x, False, weights, True, bias, function, STORE, y, y, bias)


def _draws(key, step, states):
    """The end of a record: what draws binary states in the store, the key and the step, and where they go."""
    return sampling.address(states.itemsize), signed(key), held(step), states


@Planned
def forward_drawn(
    x: Array, weights: Array, bias: Array, y: Array, key: int, step: Array | int, states: Array
) -> list[Launch]:
    """`forward` with sigmoid units, and states ← 1 with probability y, else 0, while y is in cache.

    states (M, units) are those of the last M rows of y, and drawn as if these were all.
    """
    return _product(x, False, weights, False, bias, SIGMOID, STORE, y, y, bias, _draws(key, step, states))


@Planned
def forward_transposed_drawn(
    x: Array, weights: Array, bias: Array, y: Array, key: int, step: Array | int, states: Array
) -> list[Launch]:
    """`forward_transposed` with sigmoid units, and their states, as `forward_drawn`."""
    return _product(x, False, weights, True, bias, SIGMOID, STORE, y, y, bias, _draws(key, step, states))


@Planned
def input_gradient(dy: Array, weights: Array, dx: Array) -> list[Launch]:
    """dx ← dy · weightsᵀ: dy (N, units), weights (inputs, units), dx (N, inputs)."""
    nothing = zeros(dx.dtype, dx.shape[1])
    return _product(dy, False, weights, True, nothing, LINEAR, STORE, dx, dx, nothing)


@Planned
def weight_gradient(x: Array, dy: Array, kind: int, target: Array, velocity: Array, constants: Array) -> list[Launch]:
    """xᵀ · dy, sent to a sink: x (N, inputs), dy (N, units), target (inputs, units)."""
    return _product(x, True, dy, False, zeros(dy.dtype, dy.shape[1]), LINEAR, kind, target, velocity, constants)


@Planned
def column_sums(d: Array, kind: int, target: Array, velocity: Array, constants: Array) -> list[Launch]:
    """A bias's gradient: the sum of d (rows, columns) over its rows, sent to a sink of (columns,)."""
    return gradient_and_sums.plan(LINEAR, d, d, kind, target, velocity, constants)
