"""The windows of a stretch of an output row, laid out cell by cell, channels last.

All the first cells of the windows stand together, then all the second ones, and so on: what is done to the windows then
runs along contiguous rows of ``count`` · C numbers, vectors of windows, however few channels there are. Cells outside
the image hold a number that changes nothing. Layers whose windows need more than one look at their cells use it, and
those with so few channels that vectors of channels would be idle.
"""

from collections.abc import Sequence
from typing import Any

import numpy.typing as npt
from numba import njit

from dlcli.kernels.addresses import array, matrix

Array = npt.NDArray[Any]
Geometry = Sequence[int]

STRETCH = 512  # numbers of a row of cells, at most (but one window's channels)
CELLS = 8192  # numbers of a stretch's windows, about: they stay in the first-level cache
FEW = 8  # channels up to which they are copied one after the other, not window by window


def stretch(channels: int, geometry: Geometry, windows: int) -> int:
    """How many windows to lay out at a time."""
    numbers = min(STRETCH, CELLS // (geometry[0] * geometry[1]))
    return min(windows, max(1, numbers // channels))


@njit(error_model="numpy")
def _fill(row, first, last, value):
    for i in range(first, last):
        row[i] = value


@njit(error_model="numpy")
def _copy(x, out):
    """out (count, channels) ← the first channels of the rows of x."""
    count, channels = out.shape
    if channels <= FEW:
        for c in range(channels):
            for q in range(count):
                out[q, c] = x[q, c]
    else:
        for q in range(count):
            for c in range(channels):
                out[q, c] = x[q, c]


@njit(error_model="numpy")
def _add(part, x):
    """The reverse of `_copy`, in sums: the first channels of the rows of x += part."""
    count, channels = part.shape
    if channels <= FEW:
        for c in range(channels):
            for q in range(count):
                x[q, c] += part[q, c]
    else:
        for q in range(count):
            for c in range(channels):
                x[q, c] += part[q, c]


@njit(error_model="numpy")
def _inside(left, stride, width, count):
    """Of windows whose cell is at column ``left`` in the first, the first for which it is in the image, and the one
    past the last."""
    begin = max(0, min(count, (stride - 1 - left) // stride))
    return begin, max(begin, min(count, (width - left + stride - 1) // stride))


@njit(error_model="numpy")
def gather(x, height, width, channels, top, left, size_h, size_w, stride, count, fill, cells, like):
    """Cells (size_h · size_w, count · channels) at an address ← those of ``count`` windows of the image at address x.

    The first window begins at row ``top`` and column ``left``; cells outside the image are ``fill``.
    """
    itemsize, run = array(x, 1, like).itemsize, count * channels
    for i in range(size_h):
        h = top + i
        for j in range(size_w):
            out = cells + (i * size_w + j) * run * itemsize
            begin, end = _inside(left + j, stride, width, count)
            if h < 0 or h >= height:
                begin, end = count, count
            row = array(out, run, like)
            _fill(row, 0, begin * channels, fill)
            _fill(row, end * channels, run, fill)
            if begin < end:
                first = (h * width + left + j + begin * stride) * channels
                source = matrix(x + first * itemsize, end - begin, stride * channels, like)
                _copy(source, matrix(out + begin * channels * itemsize, end - begin, channels, like))


@njit(error_model="numpy")
def scatter_row(cells, width, channels, left, size_w, stride, count, line, like):
    """A row of the image at address ``line`` += cells (size_w, count · channels) of windows that begin at ``left``."""
    itemsize, run = array(line, 1, like).itemsize, count * channels
    for j in range(size_w):
        begin, end = _inside(left + j, stride, width, count)
        if begin < end:
            first = (left + j + begin * stride) * channels
            target = matrix(line + first * itemsize, end - begin, stride * channels, like)
            _add(matrix(cells + (j * run + begin * channels) * itemsize, end - begin, channels, like), target)


@njit(error_model="numpy")
def narrow(places, out):
    """out ← places in the window, of a type that needs less memory."""
    for k in range(out.size):
        out[k] = places[k]


def record(x: Array, y: Array, geometry: Geometry) -> tuple[Any, ...]:
    """What kernels need to know of images x, their outputs y and the windows between, beside the arrays."""
    (_, height, width, channels), (_, out_height, out_width, _) = x.shape, y.shape
    return (height, width, out_height, out_width, channels, *geometry, stretch(channels, geometry, out_width))
