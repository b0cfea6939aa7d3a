"""Max pooling of images with so few channels that vectors of channels would be idle: the same results, other loops.

Forward, the vectors are of windows (`dlcli.kernels.gather`). Backward, an image belongs to one thread, which sends each
window's gradient to its winner, window by window: the order in which `dlcli.kernels.pool2d` adds them too.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from dlcli.kernels.addresses import array, matrix, place, typed_array
from dlcli.kernels.gather import Geometry, gather, narrow, record
from dlcli.kernels.launch import Kernel, Launch

Array = npt.NDArray[Any]

FEW = 3  # channels up to which it is faster
SERIAL = 20_000  # numbers read below which waking the threads costs more than it saves


@njit(error_model="numpy")
def _begin(row, left, stride, channels, lowest, winner, y):
    """The first cell in the image wins, if none is larger: at place ``row``, or behind the padding of that row."""
    at = np.int32(row)
    for k in range(y.size):
        y[k], winner[k] = lowest, at
    k = 0
    while left < 0 and k < y.size:
        for c in range(channels):
            winner[k + c] = row - left
        k, left = k + channels, left + stride


@njit(error_model="numpy")
def _largest(cells, winner, y):
    """y ← the largest cell, if it is larger than y; winner ← its place; NaN wins over all."""
    for a in range(cells.shape[0]):
        at = np.int32(a)
        for k in range(y.size):
            cell = cells[a, k]
            wins = (cell > y[k]) | (cell != cell)
            y[k] = cell if wins else y[k]
            winner[k] = at if wins else winner[k]


def _forward(p, first, last, shared, scratch):
    height, width, out_height, out_width, channels = p[3], p[4], p[5], p[6], p[7]
    size_h, size_w, stride_h, stride_w, pad_h, pad_w, windows = p[8], p[9], p[10], p[11], p[12], p[13], p[14]
    itemsize = array(p[0], 1, scratch).itemsize
    cells = place(scratch)
    winners = cells + size_h * size_w * windows * channels * itemsize
    lowest = -array(cells, 1, scratch).dtype.type(np.inf)
    for task in range(first, last):
        n, top = task // out_height, task % out_height * stride_h - pad_h
        for q in range(0, out_width, windows):
            count, left = min(windows, out_width - q), q * stride_w - pad_w
            run, out = count * channels, (task * out_width + q) * channels
            gather(
                p[0] + n * height * width * channels * itemsize, height, width, channels, top, left, size_h, size_w,
                stride_w, count, lowest, cells, scratch,
            )  # fmt: skip
            winner, y = typed_array(winners, run, np.int32), array(p[1] + out * itemsize, run, scratch)
            _begin(max(0, -top) * size_w, left, stride_w, channels, lowest, winner, y)
            _largest(matrix(cells, size_h * size_w, run, scratch), winner, y)
            if p[15] == 1:
                narrow(winner, typed_array(p[2] + out, run, np.uint8))
            else:
                narrow(winner, typed_array(p[2] + 4 * out, run, np.int32))


_FORWARD = Kernel(_forward)


def forward(x: Array, geometry: Geometry, y: Array, winners: Array) -> list[Launch]:
    """`pool2d.max_forward`."""
    shape = record(x, y, geometry)
    run = shape[-1] * x.shape[-1]
    scratch = 4 * run + geometry[0] * geometry[1] * run * x.itemsize
    arguments = (x, y, winners, *shape, winners.itemsize)
    return [Launch(_FORWARD, x.dtype, len(x) * y.shape[1], arguments, parallel=x.size >= SERIAL, scratch=scratch)]


@njit(error_model="numpy")
def _send(dy, winners, offsets, start, step, channels, dx):
    """dx, from ``start`` on, += a row of windows' gradients, each at its winner's offset; a place past all is none."""
    for q in range(dy.size // channels):
        for c in range(channels):
            winner = np.intp(winners[q * channels + c])
            if winner < offsets.size:
                dx[start + offsets[winner] + q * step + c] += dy[q * channels + c]


def _backward(p, first, last, shared, scratch):
    height, width, out_height, out_width, channels = p[4], p[5], p[6], p[7], p[8]
    stride_h, stride_w, pad_h, pad_w, cells = p[11], p[12], p[13], p[14], p[9] * p[10]
    itemsize, offsets = array(p[0], 1, scratch).itemsize, typed_array(p[3], cells, np.int64)
    row, image = out_width * channels, height * width * channels
    for n in range(first, last):
        dx = array(p[2] + n * image * itemsize, image, scratch)
        for k in range(image):
            dx[k] = 0
        for i in range(out_height):
            out, start = (n * out_height + i) * row, ((i * stride_h - pad_h) * width - pad_w) * channels
            dy = array(p[0] + out * itemsize, row, scratch)
            if p[16] == 1:
                _send(dy, typed_array(p[1] + out, row, np.uint8), offsets, start, stride_w * channels, channels, dx)
            else:
                _send(dy, typed_array(p[1] + 4 * out, row, np.int32), offsets, start, stride_w * channels, channels, dx)


_BACKWARD = Kernel(_backward)


def backward(dy: Array, winners: Array, geometry: Geometry, dx: Array) -> list[Launch]:
    """`pool2d.max_backward`."""
    width, channels = dx.shape[2:]
    offsets = np.add.outer(np.arange(geometry[0]) * width, np.arange(geometry[1])).reshape(-1) * channels
    arguments = (dy, winners, dx, offsets, *record(dx, dy, geometry), winners.itemsize)
    return [Launch(_BACKWARD, dx.dtype, len(dx), arguments, parallel=dx.size >= SERIAL)]
