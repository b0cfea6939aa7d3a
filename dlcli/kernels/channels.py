"""One number per channel, applied to all its positions or summed over them: x (…, C) as (rows, C), contiguous.

Few channels make short loops, so as many rows as fit into `WIDTH` numbers are taken together, and the channels' numbers
repeated for them; many channels are cut into columns. A block is a fixed number of such wide rows, whatever the
threads: it fits into a second-level cache, so that what looks twice at it reads memory once. Sums are float64: of each
place of the wide row, then of a block's places in order, then of the blocks in order.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from dlcli.kernels import activation
from dlcli.kernels.addresses import array, number, place, typed_array
from dlcli.kernels.launch import Kernel, Launch, Planned

Array = npt.NDArray[Any]

SERIAL = 50_000  # numbers below which waking the threads costs more than it saves
WIDTH = 512  # numbers of a wide row, at most
DEPTH = 64  # wide rows of a block
COLUMNS = 64  # channels of a task that adds the blocks
PLACES = 8 * WIDTH  # bytes of scratch for a wide row


class Cut(NamedTuple):
    """How (rows, channels) is cut into tasks: what `block` reads of a kernel's record."""

    rows: int
    channels: int
    together: int  # rows of a wide row
    columns: int  # channels of a task
    chunks: int  # of the channels
    height: int  # rows of a block

    @property
    def blocks(self) -> int:
        return -(-self.rows // self.height)

    @property
    def tasks(self) -> int:
        return self.blocks * self.chunks

    @property
    def partial_bytes(self) -> int:
        """Two float64 for each block and channel."""
        return 16 * self.blocks * self.channels


def cut(x: Array, channels: int) -> Cut:
    """The cut of an array that holds ``channels`` numbers per row."""
    together, columns = max(1, WIDTH // channels), min(channels, WIDTH)
    return Cut(x.size // channels, channels, together, columns, -(-channels // columns), together * DEPTH)


@njit
def block(task, channels, together, columns, chunks, height, rows):
    """(first row, rows, first channel, channels) of a task."""
    start, column = task // chunks * height, task % chunks * columns
    return start, min(height, rows - start), column, min(columns, channels - column)


@njit
def widen(numbers, wide):
    """wide ← the channels' numbers, again and again."""
    for start in range(0, wide.size, numbers.size):
        for c in range(numbers.size):
            wide[start + c] = numbers[c]


@njit
def clear(wide):
    """wide ← 0."""
    for i in range(wide.size):
        wide[i] = 0


@njit
def fold(wide, totals):
    """totals ← the sum over each channel's places, in order."""
    clear(totals)
    for start in range(0, wide.size, totals.size):
        for c in range(totals.size):
            totals[c] += wide[start + c]


def _affine(p, first, last, shared, scratch):
    rows, channels, together, columns, chunks, height = p[0], p[1], p[2], p[3], p[4], p[5]
    size, own = array(p[6], 1, scratch).itemsize, place(scratch)
    for task in range(first, last):
        start, count, column, width = block(task, channels, together, columns, chunks, height, rows)
        full = min(together, count) * width
        mean, factor = array(own, full, scratch), array(own + PLACES, full, scratch)
        shift = array(own + 2 * PLACES, full, scratch)
        widen(array(p[7] + column * size, width, scratch), mean)
        widen(array(p[8] + column * size, width, scratch), factor)
        widen(array(p[9] + column * size, width, scratch), shift)
        for row in range(start, start + count, together):
            home = (row * channels + column) * size
            x = array(p[6] + home, min(together, start + count - row) * width, scratch)
            y = array(p[10] + home, x.size, scratch)
            for i in range(x.size):
                y[i] = (x[i] - mean[i]) * factor[i] + shift[i]
            activation.activate(p[11], p[12], p[10] + home, x.size)


def _products(p, first, last, shared, scratch):
    rows, channels, together, columns, chunks, height = p[0], p[1], p[2], p[3], p[4], p[5]
    size, own = array(p[6], 1, scratch).itemsize, place(scratch)
    for task in range(first, last):
        start, count, column, width = block(task, channels, together, columns, chunks, height, rows)
        full = min(together, count) * width
        sums, products = typed_array(own, full, np.float64), typed_array(own + PLACES, full, np.float64)
        mean = array(own + 2 * PLACES, full, scratch)
        ceiling = mean.dtype.type(number(p[9]))
        widen(array(p[8] + column * size, width, scratch), mean)
        clear(sums)
        clear(products)
        for row in range(start, start + count, together):
            home = (row * channels + column) * size
            d = array(p[6] + home, min(together, start + count - row) * width, scratch)
            x = array(p[7] + home, d.size, scratch)
            for i in range(d.size):
                value = x[i] - mean[i]
                value = ceiling if value > ceiling else value
                sums[i] += d[i]
                products[i] += d[i] * value
        out = shared + 8 * (2 * (start // height) * channels + column)
        fold(sums, typed_array(out, width, np.float64))
        fold(products, typed_array(out + 8 * channels, width, np.float64))


def _totals(p, first, last, shared, scratch):
    blocks, channels = p[0], p[1]
    begin, end = first * COLUMNS, min(last * COLUMNS, channels)
    scale = array(p[2], channels, scratch)
    sums, products = array(p[3], channels, scratch), array(p[4], channels, scratch)
    partial = typed_array(shared, 2 * blocks * channels, np.float64)
    for c in range(begin, end):
        first_sum, second_sum = 0.0, 0.0
        for number_of in range(blocks):
            first_sum += partial[2 * number_of * channels + c]
            second_sum += partial[(2 * number_of + 1) * channels + c]
        sums[c], products[c] = first_sum, second_sum * scale[c]


_AFFINE, _PRODUCTS, _TOTALS = Kernel(_affine), Kernel(_products), Kernel(_totals)


@Planned
def affine(x: Array, mean: Array, factor: Array, shift: Array, function: int, y: Array) -> list[Launch]:
    """y ← f((x − mean) · factor + shift); x and y (…, C), the others (C,)."""
    shape = cut(x, y.shape[-1])
    arguments = (*shape, x, mean, factor, shift, y, activation.address(y.itemsize), function)
    return [Launch(_AFFINE, y.dtype, shape.tasks, arguments, parallel=y.size >= SERIAL, scratch=3 * PLACES)]


@Planned
def sums(d: Array, x: Array, mean: Array, ceiling: float, scale: Array, totals: Array) -> list[Launch]:
    """totals (2, C) ← Σ d and Σ d · min(x − mean, ceiling) · scale over the rows of d and x; the others are (C,)."""
    shape, parallel = cut(d, totals.shape[1]), d.size >= SERIAL
    shared, arguments = shape.partial_bytes, (*shape, d, x, mean, float(ceiling))
    return [
        Launch(_PRODUCTS, d.dtype, shape.tasks, arguments, parallel=parallel, shared=shared, scratch=3 * PLACES),
        Launch(
            _TOTALS, d.dtype, -(-shape.channels // COLUMNS),
            (shape.blocks, shape.channels, scale, totals[0], totals[1]), parallel=parallel, shared=shared,
        ),
    ]  # fmt: skip
