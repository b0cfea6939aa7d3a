"""The convolution's backward products where most of dy is zero: behind a max pooling, three quarters are, or more.

A number dy[p, q, f] meets the patch of x under its position: the patch gains dy · weights[:, :, :, f] in the input's
gradient, and the filter dy · patch in its own. A kernel row of either is contiguous, (kernel columns · channels)
numbers, so both are sums of lists (`dlcli.kernels.sparse`):

    dx[row i of the patch at (p, q)]  +=  Σ_f  dy[p, q, f] · weights[i, :, :, f]        a list for each position
    dw[i, :, :, f]                     =  Σ_(p, q)  dy[p, q, f] · x[row i of the patch at (p, q)]      for each filter

A thread owns images of dx, and filters of dw for which it walks through all images: every sum has one order, though not
always that of the product that this one stands for (dw's has, unless that one is cut into shares, or adds to what is
there). Which of the two runs is asked of all of dy, once a product: it depends on the batch's numbers alone, not on
threads.
"""

from functools import lru_cache
from typing import Any

import numpy as np
from numba import get_num_threads

from dlcli.kernels.addresses import array, matrix, place, typed_array
from dlcli.kernels.correlation import copy_rows_padded
from dlcli.kernels.dense import SERIAL, share
from dlcli.kernels.launch import Choice, Kernel, Launch, piece
from dlcli.kernels.sink import settle
from dlcli.kernels.sparse import WIDEST, list_one, not_zero, room, sum_row, turn
from dlcli.kernels.tile import PANEL
from dlcli.kernels.vectors import MACHINE, lanes_of

Array = np.ndarray[Any, Any]
Geometry = tuple[int, ...]
MOST = 0.35  # of dy that is not zero, up to which lists pay
LEAST = 128  # numbers of a filter: a list is paid back by as many multiplications
LARGEST = 32_768  # numbers of an image with its padding: it stays in the second-level cache


def suits(weights: tuple[int, ...], x: tuple[int, ...], dy: tuple[int, ...], geometry: Geometry) -> bool:
    """Whether there is a product by lists for weights (KH, KW, C, F), x (N, H, W, C) and dy (N, OH, OW, F)."""
    enough = weights[0] * weights[1] * weights[2] >= LEAST and min(dy[1:3]) > 1
    return enough and geometry[4:] == (1, 1, 1) and _frame(weights, x, dy, geometry)[1] <= LARGEST


def _frame(
    weights: tuple[int, ...], x: tuple[int, ...], dy: tuple[int, ...], geometry: Geometry
) -> tuple[tuple[int, int, int], int]:
    """(rows, numbers of a row, whether x is that already) and numbers of an image with all that the patches reach."""
    (height, width, channels), (out_height, out_width) = x[1:], dy[1:3]
    stride_h, stride_w, pad_h, pad_w = geometry[:4]
    rows = max(pad_h + height, (out_height - 1) * stride_h + weights[0])
    columns = max(pad_w + width, (out_width - 1) * stride_w + weights[1])
    return (rows, columns * channels, int((rows, columns) == (height, width))), rows * columns * channels


def _count(p, first, last, shared, scratch):
    """Tasks: images of dy, of p[1] numbers; p[2]: how many of each are not zero."""
    counts = typed_array(p[2], last, np.int64)
    for image in range(first, last):
        counts[image] = not_zero(array(p[0] + p[3] * image * p[1], p[1], scratch))


def _turn_weights(p, first, last, shared, scratch):
    """Tasks: filters. ``shared`` ← each filter's kernel rows, padded so that all begin with a cache line."""
    kernel_h, stretch, filters, size, line = p[1], p[2], p[3], p[4], p[5]
    weights = matrix(p[0], kernel_h * stretch, filters, scratch)
    for f in range(first, last):
        for i in range(kernel_h):
            out = array(shared + size * (f * kernel_h + i) * line, stretch, scratch)
            for k in range(stretch):
                out[k] = weights[i * stretch + k, f]


def _scatter(p, first, last, shared, scratch):
    """Tasks: images; for `p` see `input_gradient`."""
    dy, dx, size, height, width, pad_h, pad_w = p[0], p[1], p[2], p[3], p[4], p[5], p[6]
    out_height, out_width, filters, step_h, step_w, kernel_h, stretch = p[7], p[8], p[9], p[10], p[11], p[12], p[13]
    rows, row, in_place, line = p[14], p[15], p[16], p[17]
    places, listed = place(scratch), room(filters)
    values = places + 4 * listed
    frame = values + size * listed
    for image in range(first, last):
        start = dx + size * image * height * width if in_place else frame
        array(start, rows * row, scratch)[:] = 0
        for p0 in range(out_height):
            for q in range(out_width):
                source = dy + size * ((image * out_height + p0) * out_width + q) * filters
                count = list_one(scratch, size, source, filters, kernel_h * line, places, values, 0)
                if count == 0:
                    continue
                for i in range(kernel_h):
                    for n in range(0, stretch, WIDEST):
                        home = start + size * ((p0 * step_h + i) * row + q * step_w + n)
                        sum_row(
                            array(start, 1, scratch)[0], count, places, values, shared + size * (i * line + n),
                            PANEL, min(WIDEST, stretch - n), home, home,
                        )  # fmt: skip
        if not in_place:
            out = array(dx + size * image * height * width, height * width, scratch)
            inner = array(start, rows * row, scratch)
            for h in range(height):
                begin = (h + pad_h) * row + pad_w
                for w in range(width):
                    out[h * width + w] = inner[begin + w]


@piece()
def _framed(x, image, height, pad_h, pad_w, rows, row, in_place, frame):
    """The address of an image with its padding, copied into ``frame`` where it has none of its own."""
    if in_place:
        return x.ctypes.data + x.itemsize * image * height * row
    copy_rows_padded(x, image, height, -pad_h, rows, -pad_w, row - pad_w, frame, 0)
    return frame.ctypes.data


def _collect(p, first, last, shared, scratch):
    """Tasks: shares of the filters; for `p` see `weight_gradient`."""
    dy, size, images, height, width, pad_h, pad_w = p[0], p[1], p[2], p[3], p[4], p[5], p[6]
    positions, filters, kernel_h, stretch = p[7], p[8], p[9], p[10]
    rows, row, in_place, tasks = p[11], p[12], p[13], p[14]
    kind, target, velocity, constants = p[15], p[16], p[17], array(p[18], 3, scratch)
    x, table = matrix(p[19], images * height, width, scratch), typed_array(p[20], positions, np.int32)
    lanes, one = MACHINE.size // size, constants[0]
    kernel = kernel_h * stretch
    places, listed = place(scratch), room(positions)
    values = places + 4 * listed
    turned = values + size * listed
    sums = turned + size * lanes * positions
    of_row = sums + size * lanes * kernel
    frame = array(of_row + size * lanes, rows * row, scratch)
    for task in range(first, last):
        f0, f1 = share(task, tasks, filters)
        begin = max(0, min(f0, filters - lanes))  # a whole square is turned faster
        array(sums, (f1 - f0) * kernel, scratch)[:] = 0
        for image in range(images):
            start = _framed(x, image, height, pad_h, pad_w, rows, row, in_place, frame)
            corner = dy + size * (image * positions * filters + begin)
            turn(scratch, size, corner, min(lanes, filters - begin), positions, filters, turned)
            for f in range(f0, f1):
                source = turned + size * (f - begin) * positions
                count = list_one(scratch, size, source, positions, 1, places, values, 0)
                indices = typed_array(places, count, np.int32)
                for i in range(count):
                    indices[i] = table[indices[i]]
                out = sums + size * (f - f0) * kernel
                for i in range(kernel_h):
                    for n in range(0, stretch, WIDEST):
                        home = out + size * (i * stretch + n)
                        sum_row(
                            one, count, places, values, start + size * (i * row + n), PANEL, min(WIDEST, stretch - n),
                            home, home,
                        )  # fmt: skip
        summed, row_here = array(sums, (f1 - f0) * kernel, scratch), array(of_row, f1 - f0, scratch)
        for k in range(kernel):
            for f in range(f1 - f0):
                row_here[f] = summed[f * kernel + k]
            home = size * (k * filters + f0)
            settle(
                kind, row_here, array(target + home, f1 - f0, scratch), array(velocity + home, f1 - f0, scratch),
                constants,
            )  # fmt: skip


COUNT, TURN_WEIGHTS, SCATTER, COLLECT = Kernel(_count), Kernel(_turn_weights), Kernel(_scatter), Kernel(_collect)


def choice(dy: Array, by_lists: list[Launch], otherwise: list[Launch]) -> list[Launch]:
    """By lists where few enough numbers of dy (N, …) are not zero."""
    counts, most = np.zeros(len(dy), np.int64), MOST * dy.size
    numbers = dy.size // len(dy)
    ask = Launch(COUNT, dy.dtype, len(dy), (dy, numbers, counts, dy.itemsize), parallel=dy.size >= SERIAL // 4)
    return [Choice(ask, lambda: int(np.add.reduce(counts)) <= most, by_lists, otherwise)]


def input_gradient(dy: Array, weights: Array, geometry: Geometry, dx: Array) -> list[Launch]:
    """dx (N, H, W, C): each patch gains from the numbers at its position."""
    (rows, row, in_place), whole = _frame(weights.shape, dx.shape, dy.shape, geometry)
    kernel_h, kernel_w, channels, filters = weights.shape
    size, stretch = dy.itemsize, kernel_w * channels
    line = -(-stretch // lanes_of(size)) * lanes_of(size)
    shared = size * filters * kernel_h * line
    arguments = (
        dy, dx, size, dx.shape[1], dx.shape[2] * channels, geometry[2], geometry[3] * channels, *dy.shape[1:3], filters,
        geometry[0], geometry[1] * channels, kernel_h, stretch, rows, row, in_place, line,
    )  # fmt: skip
    parallel = dy.size * kernel_h * stretch >= SERIAL
    return [
        Launch(
            TURN_WEIGHTS, dy.dtype, filters, (weights, kernel_h, stretch, filters, size, line), parallel=parallel,
            shared=shared,
        ),
        Launch(
            SCATTER, dy.dtype, len(dy), arguments, parallel=parallel, shared=shared,
            scratch=(4 + size) * room(filters) + size * whole,
        ),
    ]  # fmt: skip


@lru_cache(maxsize=256)
def _corners(out: tuple[int, int], step_h: int, step_w: int) -> Array:
    """Where the patch of each position begins, in numbers from the image's first."""
    corners = np.arange(out[0])[:, None] * step_h + np.arange(out[1]) * step_w
    return np.ascontiguousarray(corners.ravel(), np.int32)


def weight_gradient(
    x: Array, dy: Array, geometry: Geometry, kind: int, target: Array, velocity: Array, constants: Array
) -> list[Launch]:
    """The weights' gradient, over images and positions in order, to a sink shaped as the weights (KH, KW, C, F)."""
    (rows, row, in_place), whole = _frame(target.shape, x.shape, dy.shape, geometry)
    kernel_h, kernel_w, channels, filters = target.shape
    size, stretch, positions = dy.itemsize, kernel_w * channels, dy.shape[1] * dy.shape[2]
    table = _corners(dy.shape[1:3], geometry[0] * row, geometry[1] * channels)
    parallel = dy.size * kernel_h * stretch >= SERIAL
    lanes = lanes_of(size)  # filters of a task, at most
    tasks = max(-(-filters // lanes), min(get_num_threads(), filters) if parallel else 1)
    arguments = (
        dy, size, len(x), x.shape[1], x.shape[2] * channels, geometry[2], geometry[3] * channels, positions, filters,
        kernel_h, stretch, rows, row, in_place, tasks, kind, target, velocity, constants, x, table,
    )  # fmt: skip
    numbers = lanes * (positions + kernel_h * stretch + 1) + room(positions) + whole
    return [
        Launch(
            COLLECT, dy.dtype, tasks, arguments, parallel=parallel,
            scratch=size * numbers + 4 * room(positions),
        )
    ]  # fmt: skip
