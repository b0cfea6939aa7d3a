"""Means over whole images, channels last: x (N, H, W, C), y (N, C).

Neighbouring positions go to strands, as many as make `LANES` numbers with their channels, so that images of few
channels are read as fast as others; the strands are added in order. Their number depends on an image's shape alone.
"""

from typing import Any

import numpy.typing as npt

from dlcli.kernels.addresses import array, place
from dlcli.kernels.launch import Kernel, Launch, Planned

Array = npt.NDArray[Any]

SERIAL = 40_000  # numbers below which waking the threads costs more than it saves
LANES = 512  # sums that go side by side, about


def _forward(p, first, last, shared, scratch):
    channels, size, row = p[2], p[3], p[4]
    itemsize = array(p[0], 1, scratch).itemsize
    for n in range(first, last):
        start = p[0] + n * size * itemsize
        sums, y = array(place(scratch), row, scratch), array(p[1] + n * channels * itemsize, channels, scratch)
        for i in range(row):
            sums[i] = 0
        for begin in range(0, size, row):
            x = array(start + begin * itemsize, min(row, size - begin), scratch)
            for i in range(x.size):
                sums[i] += x[i]
        for c in range(channels):
            y[c] = sums[c]
        for begin in range(channels, row, channels):
            strand = array(place(scratch) + begin * itemsize, channels, scratch)
            for c in range(channels):
                y[c] += strand[c]
        divisor = y.dtype.type(size // channels)
        for c in range(channels):
            y[c] /= divisor


_FORWARD = Kernel(_forward)


@Planned
def forward(x: Array, y: Array) -> list[Launch]:
    """y ← the mean over all positions, channel by channel."""
    return [_launch(_FORWARD, x, y)]


def _backward(p, first, last, shared, scratch):
    channels, size, row = p[2], p[3], p[4]
    itemsize = array(p[0], 1, scratch).itemsize
    shares = array(place(scratch), row, scratch)
    for n in range(first, last):
        dy = array(p[1] + n * channels * itemsize, channels, scratch)
        divisor = dy.dtype.type(size // channels)
        for begin in range(0, row, channels):
            for c in range(channels):
                shares[begin + c] = dy[c] / divisor
        for begin in range(0, size, row):
            dx = array(p[0] + (n * size + begin) * itemsize, min(row, size - begin), scratch)
            for i in range(dx.size):
                dx[i] = shares[i]


_BACKWARD = Kernel(_backward)


@Planned
def backward(dy: Array, dx: Array) -> list[Launch]:
    """dx ← each channel's gradient, in equal shares to all positions."""
    return [_launch(_BACKWARD, dx, dy)]


def _launch(kernel: Kernel, images: Array, means: Array) -> Launch:
    channels = images.shape[-1]
    row = min(-(-LANES // channels) * channels, images[0].size)
    arguments = (images, means, channels, images[0].size, row)
    return Launch(kernel, images.dtype, len(images), arguments, parallel=images.size >= SERIAL,
                  scratch=row * images.itemsize)  # fmt: skip
