"""Stochastic pooling, channels last (Zeiler and Fergus 2013): a cell of each window, drawn with probability x / Σ x.

Activities below zero count as zero. Each output's draw is its random word of `dlcli.kernels.philox`, a function of key,
step and place alone: u = its upper 24 bits / 2²⁴, and the cell is the first whose running sum, row by row, exceeds
u Σ x. The gradient goes back by places (`dlcli.kernels.pool2d.max_backward`).
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from dlcli.kernels.addresses import array, matrix, place, typed_array
from dlcli.kernels.gather import Geometry, gather, narrow, record
from dlcli.kernels.launch import Kernel, Launch, Planned
from dlcli.kernels.philox import draw, held, signed

Array = npt.NDArray[Any]

SERIAL = 20_000  # numbers read below which waking the threads costs more than it saves


@njit(error_model="numpy")
def _total(cells, total):
    """cells ← max(cells, 0); total ← their sum. NaN stays."""
    zero = total.dtype.type(0)
    for k in range(total.size):
        total[k] = zero
    for a in range(cells.shape[0]):
        for k in range(total.size):
            value = zero if cells[a, k] < zero else cells[a, k]
            cells[a, k] = value
            total[k] += value


@njit(error_model="numpy")
def _choose(cells, words, limit, below, y, places):
    """y ← the drawn cell; places ← how many cells stand before it: all of them where the sum, in y, is zero.

    The running sum meets the sum's own roundings, and u < 1, so that the last one exceeds the limit.
    """
    zero, unit = y.dtype.type(0), y.dtype.type(2.0**-24)
    for k in range(y.size):
        limit[k] = y[k] * (y.dtype.type(np.int32(words[k] >> np.uint32(8))) * unit)
        y[k] = y[k] * zero  # NaN, where the sum is
        below[k], places[k] = zero, 0
    for a in range(cells.shape[0]):
        for k in range(y.size):
            above = below[k] + cells[a, k]
            y[k] = cells[a, k] if (below[k] <= limit[k]) & (limit[k] < above) else y[k]
            places[k] += np.int32(above <= limit[k])
            below[k] = above


@njit(error_model="numpy")
def _weigh(cells, total, y):
    """y ← Σ x · x / Σ x."""
    zero, one = y.dtype.type(0), y.dtype.type(1)
    for k in range(y.size):
        total[k] = one if total[k] == zero else total[k]
        y[k] = zero
    for a in range(cells.shape[0]):
        for k in range(y.size):
            y[k] += cells[a, k] * (cells[a, k] / total[k])


def _forward(p, first, last, shared, scratch):
    height, width, out_height, out_width, channels = p[6], p[7], p[8], p[9], p[10]
    size_h, size_w, stride_h, stride_w, pad_h, pad_w, windows = p[11], p[12], p[13], p[14], p[15], p[16], p[17]
    training, place_size, itemsize = p[2], p[18], array(p[0], 1, scratch).itemsize
    key, step = np.uint64(p[4]), typed_array(p[5], 1, np.int64)[0]
    most, cells = windows * channels, place(scratch)
    limit = cells + size_h * size_w * most * itemsize
    below, counts = limit + most * itemsize, limit + 2 * most * itemsize
    drawn = counts + 4 * most
    for task in range(first, last):
        n, i = task // out_height, task % out_height
        for q in range(0, out_width, windows):
            count = min(windows, out_width - q)
            run, out = count * channels, (task * out_width + q) * channels
            gather(
                p[0] + n * height * width * channels * itemsize, height, width, channels, i * stride_h - pad_h,
                q * stride_w - pad_w, size_h, size_w, stride_w, count, array(cells, 1, scratch).dtype.type(0), cells,
                scratch,
            )  # fmt: skip
            x, y = matrix(cells, size_h * size_w, run, scratch), array(p[1] + out * itemsize, run, scratch)
            if not training:
                total = array(limit, run, scratch)
                _total(x, total)
                _weigh(x, total, y)
                continue
            _total(x, y)
            begin = (i * out_width + q) * channels  # in the sample, whose words come by fours
            words = typed_array(drawn, (begin % 4 + run + 3) // 4 * 4, np.uint32)
            draw(key, step, n, begin // 4, words)
            own = typed_array(drawn + begin % 4 * 4, run, np.uint32)
            places = typed_array(counts, run, np.int32)
            _choose(x, own, array(limit, run, scratch), array(below, run, scratch), y, places)
            if place_size == 1:
                narrow(places, typed_array(p[3] + out, run, np.uint8))
            else:
                narrow(places, typed_array(p[3] + 4 * out, run, np.int32))


_FORWARD = Kernel(_forward)


@Planned
def forward(x: Array, geometry: Geometry, y: Array) -> list[Launch]:
    """y ← Σ x² / Σ x over each window: the mean that the drawn cells have; 0 where no x is above 0."""
    return [_launch(x, geometry, y, False, y, 0, 0)]


@Planned
def drawn(x: Array, geometry: Geometry, key: int, step: Array | int, y: Array, places: Array) -> list[Launch]:
    """y ← the drawn cell of each window; places (N, OH, OW, C): its place in the uncut window, row by row.

    Where no x is above 0, y is 0 and the place is the one past the last. ``step``: a number or an int64 array with it.
    """
    return [_launch(x, geometry, y, True, places, key, step)]


def _launch(
    x: Array, geometry: Geometry, y: Array, training: bool, places: Array, key: int, step: Array | int
) -> Launch:
    shape, cells = record(x, y, geometry), geometry[0] * geometry[1]
    run = shape[-1] * x.shape[-1]
    arguments = (x, y, training, places, signed(key), held(step), *shape, places.itemsize)
    scratch = (2 + cells) * run * x.itemsize + 4 * (2 * run + 8)
    return Launch(_FORWARD, x.dtype, len(x) * y.shape[1], arguments, parallel=x.size >= SERIAL, scratch=scratch)
