"""Pooling, channels last: x (N, H, W, C), y (N, OH, OW, C).

``geometry`` = (size, stride and padding, each of rows and columns). A window is cut at the image's edges: cells of
the padding are never the largest. Every output row, and backward every row of the image, belongs to one thread, which
adds the gradients of overlapping windows in their order.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from dlcli.kernels import max_pool_few
from dlcli.kernels.addresses import array, typed_array
from dlcli.kernels.launch import Kernel, Launch, Planned
from dlcli.kernels.windows import largest, mean, placed, routed, shares

Array = npt.NDArray[Any]
Geometry = Sequence[int]

SERIAL = 20_000  # numbers read below which waking the threads costs more than it saves


def _seen(size: int, stride: int, padding: int, cells: int, windows: int) -> Array:
    """(windows, 3): each window's first cell in the image, how many there are, and the first's place in the window."""
    starts = np.arange(windows) * stride - padding
    first = np.maximum(starts, 0)
    return np.stack([first, np.minimum(starts + size, cells) - first, first - starts], axis=1)


def _seeing(size: int, stride: int, padding: int, cells: int, windows: int) -> Array:
    """(cells, 3): the first window that has each cell, how many have it, and its place in the first."""
    at = np.arange(cells) + padding
    first = np.maximum(-((size - 1 - at) // stride), 0)  # the first that ends behind it: ⌈(at − size + 1) / stride⌉
    count = np.maximum(np.minimum(at // stride + 1, windows) - first, 0)
    return np.stack([first, count, at - first * stride], axis=1)


def _counts(size: int, stride: int, padding: int, windows: int, begin: int, end: int) -> Array:
    """(windows,): how many of the cells begin … end − 1 are in each window."""
    starts = np.arange(windows) * stride - padding
    return np.minimum(starts + size, end) - np.maximum(starts, begin)


def _axes(geometry: Geometry) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """(size, stride, padding) of rows and of columns."""
    size_h, size_w, stride_h, stride_w, pad_h, pad_w = geometry
    return (size_h, stride_h, pad_h), (size_w, stride_w, pad_w)


def _max_forward(p, first, last, shared, scratch):
    height, width, out_height, out_width, channels, size, itemsize, place_size = (
        p[5],
        p[6],
        p[7],
        p[8],
        p[9],
        p[10],
        p[11],
        p[12],
    )
    rows, columns = typed_array(p[3], 3 * out_height, np.int64), typed_array(p[4], 3 * out_width, np.int64)
    for task in range(first, last):
        n, i = task // out_height, task % out_height
        line = (n * height + rows[3 * i]) * width
        for j in range(out_width):
            cell, out = (line + columns[3 * j]) * channels, (task * out_width + j) * channels
            largest(
                p[0] + cell * itemsize, rows[3 * i + 1], columns[3 * j + 1], width * channels, channels, channels,
                rows[3 * i + 2] * size + columns[3 * j + 2], size, p[1] + out * itemsize,
                p[2] + out * place_size, place_size, scratch,
            )  # fmt: skip


_MAX_FORWARD = Kernel(_max_forward)


@Planned
def max_forward(x: Array, geometry: Geometry, y: Array, winners: Array) -> list[Launch]:
    """y ← the largest of each window; winners (N, OH, OW, C): its place in the uncut window, row by row.

    The first of equals wins; NaN wins over all.
    """
    (_, height, width, channels), (images, out_height, out_width, _) = x.shape, y.shape
    if channels <= max_pool_few.FEW:
        return max_pool_few.forward(x, geometry, y, winners)
    rows, columns = _axes(geometry)
    arguments = (
        x, y, winners, _seen(*rows, height, out_height), _seen(*columns, width, out_width),
        height, width, out_height, out_width, channels, columns[0], x.itemsize, winners.itemsize,
    )  # fmt: skip
    return [Launch(_MAX_FORWARD, x.dtype, images * out_height, arguments, parallel=x.size >= SERIAL)]


def _max_backward(p, first, last, shared, scratch):
    height, width, out_height, out_width, channels = p[5], p[6], p[7], p[8], p[9]
    size, down, right, itemsize, place_size = p[10], p[11], p[12], p[13], p[14]
    rows, columns = typed_array(p[3], 3 * height, np.int64), typed_array(p[4], 3 * width, np.int64)
    for task in range(first, last):
        n, i = task // height, task % height
        line = (n * out_height + rows[3 * i]) * out_width
        for j in range(width):
            window, out = (line + columns[3 * j]) * channels, (task * width + j) * channels
            routed(
                p[0] + window * itemsize, p[1] + window * place_size, rows[3 * i + 1], columns[3 * j + 1],
                out_width * channels, channels, channels, rows[3 * i + 2] * size + columns[3 * j + 2],
                -down * size, -right, place_size, p[2] + out * itemsize, scratch,
            )  # fmt: skip


def _max_backward_apart(p, first, last, shared, scratch):
    height, width, out_height, out_width, channels = p[5], p[6], p[7], p[8], p[9]
    size, itemsize, place_size = p[10], p[13], p[14]
    rows, columns = typed_array(p[3], 3 * out_height, np.int64), typed_array(p[4], 3 * out_width, np.int64)
    for task in range(first, last):
        n, i = task // out_height, task % out_height
        top, high = rows[3 * i], rows[3 * i + 1]
        line, pitch = p[2] + (n * height + top) * width * channels * itemsize, width * channels * itemsize
        for j in range(out_width):
            left, wide = columns[3 * j], columns[3 * j + 1]
            window, out = (task * out_width + j) * channels, line + left * channels * itemsize
            placed(
                p[0] + window * itemsize, p[1] + window * place_size, high, wide, width * channels, channels, channels,
                rows[3 * i + 2] * size + columns[3 * j + 2], size, place_size, out, scratch,
            )  # fmt: skip
            gap = (columns[3 * j + 3] if j + 1 < out_width else width) - left - wide
            if gap > 0:
                for h in range(high):
                    cells = array(out + h * pitch + wide * channels * itemsize, gap * channels, scratch)
                    for c in range(cells.size):
                        cells[c] = 0
        gap = (rows[3 * i + 3] if i + 1 < out_height else height) - top - high
        cells = array(line + high * pitch, gap * width * channels, scratch)
        for c in range(cells.size):
            cells[c] = 0


_MAX_BACKWARD, _MAX_BACKWARD_APART = Kernel(_max_backward), Kernel(_max_backward_apart)


@Planned
def max_backward(dy: Array, winners: Array, geometry: Geometry, dx: Array) -> list[Launch]:
    """dx ← dy at each window's winner, zero elsewhere.

    Windows that overlap are looked at from the cells: each sums what its windows send it. Those that stand apart fill
    their own cells, and the gaps behind them. A window whose winner is the place past its last sends nothing.
    """
    (images, height, width, channels), (_, out_height, out_width, _) = dx.shape, dy.shape
    if channels <= max_pool_few.FEW:
        return max_pool_few.backward(dy, winners, geometry, dx)
    rows, columns = _axes(geometry)
    apart = rows[1] >= rows[0] and columns[1] >= columns[0]
    table = _seen if apart else _seeing
    arguments = (
        dy, winners, dx, table(*rows, height, out_height), table(*columns, width, out_width),
        height, width, out_height, out_width, channels, columns[0], rows[1], columns[1], dx.itemsize, winners.itemsize,
    )  # fmt: skip
    kernel, lines = (_MAX_BACKWARD_APART, out_height) if apart else (_MAX_BACKWARD, height)
    return [Launch(kernel, dx.dtype, images * lines, arguments, parallel=dx.size >= SERIAL)]


def _average_forward(p, first, last, shared, scratch):
    height, width, out_height, out_width, channels, itemsize = p[6], p[7], p[8], p[9], p[10], p[11]
    rows, columns = typed_array(p[2], 3 * out_height, np.int64), typed_array(p[3], 3 * out_width, np.int64)
    heights, widths = typed_array(p[4], out_height, np.int64), typed_array(p[5], out_width, np.int64)
    for task in range(first, last):
        n, i = task // out_height, task % out_height
        line = (n * height + rows[3 * i]) * width
        for j in range(out_width):
            cell, out = (line + columns[3 * j]) * channels, (task * out_width + j) * channels
            mean(
                p[0] + cell * itemsize, rows[3 * i + 1], columns[3 * j + 1], width * channels, channels, channels,
                heights[i] * widths[j], p[1] + out * itemsize, scratch,
            )  # fmt: skip


_AVERAGE_FORWARD = Kernel(_average_forward)


@Planned
def average_forward(x: Array, geometry: Geometry, counted: tuple[int, int, int, int], y: Array) -> list[Launch]:
    """y ← the mean of each window over the cells that count: ``counted`` = (first row, the one past the last, first
    column, the one past the last), which reach into the padding where its zeros count.
    """
    (_, height, width, channels), (images, out_height, out_width, _) = x.shape, y.shape
    rows, columns = _axes(geometry)
    arguments = (
        x, y, _seen(*rows, height, out_height), _seen(*columns, width, out_width),
        _counts(*rows, out_height, *counted[:2]), _counts(*columns, out_width, *counted[2:]),
        height, width, out_height, out_width, channels, x.itemsize,
    )  # fmt: skip
    return [Launch(_AVERAGE_FORWARD, x.dtype, images * out_height, arguments, parallel=x.size >= SERIAL)]


def _average_backward(p, first, last, shared, scratch):
    height, width, out_height, out_width, channels, itemsize = p[6], p[7], p[8], p[9], p[10], p[11]
    rows, columns = typed_array(p[2], 3 * height, np.int64), typed_array(p[3], 3 * width, np.int64)
    for task in range(first, last):
        n, i = task // height, task % height
        line = (n * out_height + rows[3 * i]) * out_width
        for j in range(width):
            window, out = (line + columns[3 * j]) * channels, (task * width + j) * channels
            shares(
                p[0] + window * itemsize, rows[3 * i + 1], columns[3 * j + 1], out_width * channels, channels, channels,
                p[4] + 8 * rows[3 * i], p[5] + 8 * columns[3 * j], p[1] + out * itemsize, scratch,
            )  # fmt: skip


_AVERAGE_BACKWARD = Kernel(_average_backward)


@Planned
def average_backward(dy: Array, geometry: Geometry, counted: tuple[int, int, int, int], dx: Array) -> list[Launch]:
    """dx ← each window's gradient, in equal shares to its cells."""
    (images, height, width, channels), (_, out_height, out_width, _) = dx.shape, dy.shape
    rows, columns = _axes(geometry)
    arguments = (
        dy, dx, _seeing(*rows, height, out_height), _seeing(*columns, width, out_width),
        _counts(*rows, out_height, *counted[:2]), _counts(*columns, out_width, *counted[2:]),
        height, width, out_height, out_width, channels, dx.itemsize,
    )  # fmt: skip
    return [Launch(_AVERAGE_BACKWARD, dx.dtype, images * height, arguments, parallel=dx.size >= SERIAL)]
