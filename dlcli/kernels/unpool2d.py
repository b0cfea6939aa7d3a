"""The ways back from pooling, channels last: by the places of the winners, and by repetition.

`dlcli.kernels.pool2d.max_backward` writes values back to their winners' places; `picked` is its mirror image. Every
task is one row of the output.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from dlcli.kernels.addresses import array, typed_array
from dlcli.kernels.launch import Kernel, Launch, Planned
from dlcli.kernels.pool2d import SERIAL, Geometry

Array = npt.NDArray[Any]


def _picked(p, first, last, shared, scratch):
    height, width, out_height, out_width, channels = p[3], p[4], p[5], p[6], p[7]
    columns, stride_h, stride_w, pad_h, pad_w, narrow = p[8], p[9], p[10], p[11], p[12], p[13]
    itemsize = array(p[0], 1, scratch).itemsize
    for task in range(first, last):
        n, top = task // out_height, task % out_height * stride_h - pad_h
        x = array(p[0] + n * height * width * channels * itemsize, height * width * channels, scratch)
        run = out_width * channels
        y = array(p[2] + task * run * itemsize, run, scratch)
        bytes_, words = typed_array(p[1] + task * run, run, np.uint8), typed_array(p[1] + 4 * task * run, run, np.int32)
        for q in range(out_width):
            left = q * stride_w - pad_w
            for c in range(channels):
                k = q * channels + c
                at = np.int64(bytes_[k]) if narrow else np.int64(words[k])
                y[k] = x[((top + at // columns) * width + left + at % columns) * channels + c]


_PICKED = Kernel(_picked)


@Planned
def picked(x: Array, winners: Array, geometry: Geometry, y: Array) -> list[Launch]:
    """y (N, OH, OW, C) ← x (N, H, W, C) at each window's winner."""
    (images, height, width, channels), (_, out_height, out_width, _) = x.shape, y.shape
    _, columns, stride_h, stride_w, pad_h, pad_w = geometry
    arguments = (
        x, winners, y, height, width, out_height, out_width, channels, columns, stride_h, stride_w, pad_h, pad_w,
        winners.itemsize == 1,
    )  # fmt: skip
    return [Launch(_PICKED, x.dtype, images * out_height, arguments, parallel=y.size >= SERIAL)]


def _repeated(p, first, last, shared, scratch):
    width, channels, down, right, itemsize = p[2], p[3], p[4], p[5], array(p[0], 1, scratch).itemsize
    run = width * channels
    for task in range(first, last):
        x = array(p[0] + task // down * run * itemsize, run, scratch)
        y = array(p[1] + task * right * run * itemsize, right * run, scratch)
        for q in range(width):
            for j in range(right):
                for c in range(channels):
                    y[(q * right + j) * channels + c] = x[q * channels + c]


_REPEATED = Kernel(_repeated)


@Planned
def repeated(x: Array, factors: tuple[int, int], y: Array) -> list[Launch]:
    """y (N, H · factor, W · factor, C) ← each value of x (N, H, W, C), as often as the factors say."""
    arguments = (x, y, *x.shape[2:], *factors)
    return [Launch(_REPEATED, x.dtype, y.shape[0] * y.shape[1], arguments, parallel=y.size >= SERIAL)]


def _summed(p, first, last, shared, scratch):
    width, channels, down, right, itemsize = p[2], p[3], p[4], p[5], array(p[0], 1, scratch).itemsize
    run = width * channels
    for task in range(first, last):
        dx = array(p[1] + task * run * itemsize, run, scratch)
        dy = array(p[0] + task * down * right * run * itemsize, down * right * run, scratch)
        for k in range(run):
            dx[k] = 0
        for i in range(down):
            for q in range(width):
                for j in range(right):
                    start = ((i * width + q) * right + j) * channels
                    for c in range(channels):
                        dx[q * channels + c] += dy[start + c]


_SUMMED = Kernel(_summed)


@Planned
def summed(dy: Array, factors: tuple[int, int], dx: Array) -> list[Launch]:
    """dx (N, H, W, C) ← the sum of dy over what came from each value."""
    arguments = (dy, dx, *dx.shape[2:], *factors)
    return [Launch(_SUMMED, dx.dtype, dx.shape[0] * dx.shape[1], arguments, parallel=dy.size >= SERIAL)]
