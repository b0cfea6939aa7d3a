"""Local response normalisation across channels, channels last (Krizhevsky et al., NIPS 2012, section 3.3).

s_c = k + a Σ x_j² over the n channels around c (n // 2 before it, the rest after, cut at the edges); y_c = x_c s_c^−β.
Some pixels at a time stand in a scratch row, n − 1 zeros between them for the channels beyond the edges: what is
between reading and writing a pixel then runs along the whole row, however few channels there are. A window's sum is
taken term by term, in the channels' order, so that no rounding is carried along.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from dlcli.kernels.addresses import array, number, place
from dlcli.kernels.launch import Kernel, Launch, Planned

Array = npt.NDArray[Any]

SERIAL = 10_000  # values below which waking the threads costs more than it saves
ROW = 1024  # numbers of a scratch row, about
HALF, THREE_QUARTERS, OTHER = range(3)  # exponents


@njit(error_model="numpy")
def _sums(terms, n, sums):
    """sums_c ← Σ terms_{c … c + n − 1}."""
    if n == 5:
        for c in range(sums.size):
            sums[c] = terms[c] + terms[c + 1] + terms[c + 2] + terms[c + 3] + terms[c + 4]
        return
    for c in range(sums.size):
        sums[c] = terms[c]
    for j in range(1, n):
        for c in range(sums.size):
            sums[c] += terms[c + j]


@njit(error_model="numpy")
def _scales(squares, n, a, k, scales):
    """scales ← s."""
    _sums(squares, n, scales)
    for c in range(scales.size):
        scales[c] = k + a * scales[c]


@njit(error_model="numpy")
def _powers(kind, scales, beta, powers):
    """powers ← s^−β; for the usual β by square roots, which are exact to half a unit in the last place each."""
    one = powers.dtype.type(1)
    if kind == THREE_QUARTERS:
        for c in range(scales.size):
            root = np.sqrt(scales[c])
            powers[c] = one / (root * np.sqrt(root))
    elif kind == HALF:
        for c in range(scales.size):
            powers[c] = one / np.sqrt(scales[c])
    else:
        for c in range(scales.size):
            powers[c] = scales[c] ** -beta


@njit(error_model="numpy")
def _clear(row):
    for c in range(row.size):
        row[c] = 0


def _forward(p, first, last, shared, scratch):
    channels, n, kind, together, itemsize = p[3], p[4], p[5], p[9], array(p[0], 1, scratch).itemsize
    pitch, own = channels + n - 1, place(scratch)
    squares, scales = array(own, together * pitch + n - 1, scratch), array(own + p[10], together * pitch, scratch)
    powers = array(own + 2 * p[10], together * pitch, scratch)
    a, beta, k = scales.dtype.type(number(p[6])), scales.dtype.type(number(p[7])), scales.dtype.type(number(p[8]))
    _clear(squares)
    for task in range(first, last):
        pixel, count = task * together, min(together, p[2] - task * together)
        for i in range(count):
            x = array(p[0] + (pixel + i) * channels * itemsize, channels, scratch)
            square = array(own + (i * pitch + n // 2) * itemsize, channels, scratch)
            for c in range(channels):
                square[c] = x[c] * x[c]
        _scales(squares, n, a, k, scales)
        _powers(kind, scales, beta, powers)
        for i in range(count):
            x = array(p[0] + (pixel + i) * channels * itemsize, channels, scratch)
            y = array(p[1] + (pixel + i) * channels * itemsize, channels, scratch)
            power = array(own + 2 * p[10] + i * pitch * itemsize, channels, scratch)
            for c in range(channels):
                y[c] = x[c] * power[c]


_FORWARD = Kernel(_forward)


@Planned
def forward(x: Array, n: int, alpha: float, beta: float, k: float, y: Array) -> list[Launch]:
    """y ← x s^−β, for s with a = ``alpha``; x and y are (…, C), contiguous."""
    arguments = (x, y, x.size // x.shape[-1], *_record(x, n, alpha, beta, k))
    return [_launch(_FORWARD, x, n, arguments)]


def _backward(p, first, last, shared, scratch):
    channels, n, kind, together, itemsize = p[3], p[4], p[5], p[9], array(p[0], 1, scratch).itemsize
    pitch, own, after = channels + n - 1, place(scratch), n - 1 - n // 2
    squares, scales = array(own, together * pitch + n - 1, scratch), array(own + p[10], together * pitch, scratch)
    powers = array(own + 2 * p[10], together * pitch, scratch)
    ratios = array(own + 3 * p[10], together * pitch + n - 1, scratch)
    a, beta, k = scales.dtype.type(number(p[6])), scales.dtype.type(number(p[7])), scales.dtype.type(number(p[8]))
    factor = scales.dtype.type(2) * a * beta
    _clear(squares)
    _clear(ratios)
    for task in range(first, last):
        pixel, count = task * together, min(together, p[2] - task * together)
        for i in range(count):
            x = array(p[0] + (pixel + i) * channels * itemsize, channels, scratch)
            square = array(own + (i * pitch + n // 2) * itemsize, channels, scratch)
            for c in range(channels):
                square[c] = x[c] * x[c]
        _scales(squares, n, a, k, scales)
        _powers(kind, scales, beta, powers)
        for i in range(count):
            x = array(p[0] + (pixel + i) * channels * itemsize, channels, scratch)
            dy = array(p[11] + (pixel + i) * channels * itemsize, channels, scratch)
            scale = array(own + p[10] + i * pitch * itemsize, channels, scratch)
            power = array(own + 2 * p[10] + i * pitch * itemsize, channels, scratch)
            ratio = array(own + 3 * p[10] + (i * pitch + after) * itemsize, channels, scratch)
            for c in range(channels):
                power[c] *= dy[c]
                ratio[c] = power[c] * x[c] / scale[c]
        _sums(ratios, n, scales)
        for i in range(count):
            x = array(p[0] + (pixel + i) * channels * itemsize, channels, scratch)
            dx = array(p[1] + (pixel + i) * channels * itemsize, channels, scratch)
            total = array(own + p[10] + i * pitch * itemsize, channels, scratch)
            power = array(own + 2 * p[10] + i * pitch * itemsize, channels, scratch)
            for c in range(channels):
                dx[c] = power[c] - factor * x[c] * total[c]


_BACKWARD = Kernel(_backward)


@Planned
def backward(x: Array, dy: Array, n: int, alpha: float, beta: float, k: float, dx: Array) -> list[Launch]:
    """dx_i = dy_i s_i^−β − 2 a β x_i Σ_j dy_j x_j s_j^(−β−1), over those channels j whose windows hold i.

    s is computed again rather than kept: that costs less than the memory traffic.
    """
    arguments = (x, dx, x.size // x.shape[-1], *_record(x, n, alpha, beta, k), dy)
    return [_launch(_BACKWARD, x, n, arguments)]


def _record(x: Array, n: int, alpha: float, beta: float, k: float) -> tuple[int | float, ...]:
    kind = {0.5: HALF, 0.75: THREE_QUARTERS}.get(beta, OTHER)
    return (x.shape[-1], n, kind, float(alpha), float(beta), float(k), _together(x, n), _row_bytes(x, n))


def _together(x: Array, n: int) -> int:
    """How many pixels are in a scratch row."""
    return max(1, ROW // (x.shape[-1] + n - 1))


def _row_bytes(x: Array, n: int) -> int:
    """Of a scratch row, in whole cache lines."""
    return -(-(_together(x, n) * (x.shape[-1] + n - 1) + n - 1) * x.itemsize // 64) * 64


def _launch(kernel: Kernel, x: Array, n: int, arguments: tuple[Any, ...]) -> Launch:
    tasks = -(-(x.size // x.shape[-1]) // _together(x, n))
    return Launch(kernel, x.dtype, tasks, arguments, parallel=x.size >= SERIAL, scratch=4 * _row_bytes(x, n))
