"""Lp pooling, channels last: y = (Σ |x|^p)^(1/p) over each window (Sermanet, Chintala and LeCun 2012, section 2.2).

The sum of squares is taken in float64, whose range no float32's square leaves. For exponents other than 1 and 2 the
window's largest size m stands before the root, y = m (Σ (|x| / m)^p)^(1/p), so that no power overflows, and no sum of
powers is zero where x isn't. Windows are laid out cell by cell (`dlcli.kernels.gather`); a window's sum runs over its
cells row by row.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from dlcli.kernels.addresses import array, matrix, number, place, typed_array
from dlcli.kernels.exponential import raised
from dlcli.kernels.gather import Geometry, gather, record, scatter_row
from dlcli.kernels.launch import Kernel, Launch, Planned

Array = npt.NDArray[Any]

SERIAL = 20_000  # numbers read below which waking the threads costs more than it saves
SIZES, SQUARES, POWERS = range(3)  # the exponents 1, 2 and others


@njit(error_model="numpy")
def _sum_sizes(cells, y):
    for k in range(y.size):
        y[k] = 0
    for a in range(cells.shape[0]):
        for k in range(y.size):
            y[k] += abs(cells[a, k])


@njit(error_model="numpy")
def _root_of_squares(cells, sums, y):
    for k in range(y.size):
        sums[k] = 0
    for a in range(cells.shape[0]):
        for k in range(y.size):
            value = np.float64(cells[a, k])
            sums[k] += value * value
    for k in range(y.size):
        y[k] = np.sqrt(sums[k])


@njit(error_model="numpy")
def _root_of_powers(cells, power, tiny, largest, sums, y):
    zero, one = y.dtype.type(0), y.dtype.type(1)
    for k in range(y.size):
        largest[k], sums[k] = 0, 0
    for a in range(cells.shape[0]):
        for k in range(y.size):
            size = abs(cells[a, k])
            largest[k] = size if size > largest[k] else largest[k]  # a NaN shows in the sum
    for k in range(y.size):
        y[k] = one if largest[k] == zero else largest[k]
    for a in range(cells.shape[0]):
        for k in range(y.size):
            ratio = abs(cells[a, k]) / y[k]
            sums[k] += raised(tiny if ratio < tiny else ratio, power)
    for k in range(y.size):
        y[k] = largest[k] * raised(sums[k], one / power)


def _forward(p, first, last, shared, scratch):
    height, width, out_height, out_width, channels = p[2], p[3], p[4], p[5], p[6]
    size_h, size_w, stride_h, stride_w, pad_h, pad_w, windows = p[7], p[8], p[9], p[10], p[11], p[12], p[13]
    kind, itemsize = p[14], array(p[0], 1, scratch).itemsize
    sums = place(scratch)
    cells = sums + 2 * windows * channels * 8
    own = array(sums, 1, scratch)
    zero, power, tiny = own.dtype.type(0), own.dtype.type(number(p[15])), own.dtype.type(number(p[16]))
    for task in range(first, last):
        n, i = task // out_height, task % out_height
        for q in range(0, out_width, windows):
            count = min(windows, out_width - q)
            run = count * channels
            gather(
                p[0] + n * height * width * channels * itemsize, height, width, channels, i * stride_h - pad_h,
                q * stride_w - pad_w, size_h, size_w, stride_w, count, zero, cells, scratch,
            )  # fmt: skip
            x = matrix(cells, size_h * size_w, run, scratch)
            y = array(p[1] + (task * out_width + q) * channels * itemsize, run, scratch)
            if kind == SIZES:
                _sum_sizes(x, y)
            elif kind == SQUARES:
                _root_of_squares(x, typed_array(sums, run, np.float64), y)
            else:
                _root_of_powers(
                    x, power, tiny, array(sums, run, scratch), array(sums + run * itemsize, run, scratch), y
                )


_FORWARD = Kernel(_forward)


@Planned
def forward(x: Array, geometry: Geometry, power: float, y: Array) -> list[Launch]:
    """y ← the Lp norm of each window, for p = ``power`` ≥ 1; cells outside the image count as zeros."""
    shape = record(x, y, geometry)
    arguments = (x, y, *shape, *_exponent(power, x))
    run = shape[-1] * x.shape[-1]
    scratch = 2 * run * 8 + geometry[0] * geometry[1] * run * x.itemsize
    return [Launch(_FORWARD, x.dtype, len(x) * y.shape[1], arguments, parallel=x.size >= SERIAL, scratch=scratch)]


@njit(error_model="numpy")
def _slopes(kind, power, tiny, cells, y, dy):
    """cells ← dy · dy / dx, for cells (…, windows)."""
    zero, one = y.dtype.type(0), y.dtype.type(1)
    for a in range(cells.shape[0]):
        if kind == SIZES:
            for k in range(y.size):
                x = cells[a, k]
                cells[a, k] = dy[k] if x > zero else (-dy[k] if x < zero else zero)
        elif kind == SQUARES:
            for k in range(y.size):
                cells[a, k] = dy[k] * (cells[a, k] / (one if y[k] == zero else y[k]))
        else:
            for k in range(y.size):
                x = cells[a, k]
                ratio = abs(x) / (one if y[k] == zero else y[k])
                slope = dy[k] * raised(tiny if ratio < tiny else ratio, power)
                cells[a, k] = slope if x > zero else (-slope if x < zero else zero)


def _backward(p, first, last, shared, scratch):
    height, width, out_height, out_width, channels = p[4], p[5], p[6], p[7], p[8]
    size_h, size_w, stride_h, stride_w, pad_h, pad_w, windows = p[9], p[10], p[11], p[12], p[13], p[14], p[15]
    kind, itemsize, cells = p[16], array(p[0], 1, scratch).itemsize, place(scratch)
    own = array(cells, 1, scratch)
    zero, power, tiny = own.dtype.type(0), own.dtype.type(number(p[17])), own.dtype.type(number(p[18]))
    for task in range(first, last):
        n, h = task // height, task % height
        line = p[3] + task * width * channels * itemsize
        dx = array(line, width * channels, scratch)
        for k in range(dx.size):
            dx[k] = zero
        for i in range(max(0, (h + pad_h - size_h) // stride_h + 1), min(out_height, (h + pad_h) // stride_h + 1)):
            for q in range(0, out_width, windows):
                count, left = min(windows, out_width - q), q * stride_w - pad_w
                gather(
                    p[0] + n * height * width * channels * itemsize, height, width, channels, h, left, 1, size_w,
                    stride_w, count, zero, cells, scratch,
                )  # fmt: skip
                run, out = count * channels, ((n * out_height + i) * out_width + q) * channels * itemsize
                y, dy = array(p[1] + out, run, scratch), array(p[2] + out, run, scratch)
                _slopes(kind, power, tiny, matrix(cells, size_w, run, scratch), y, dy)
                scatter_row(cells, width, channels, left, size_w, stride_w, count, line, scratch)


_BACKWARD = Kernel(_backward)


@Planned
def backward(x: Array, y: Array, dy: Array, geometry: Geometry, power: float, dx: Array) -> list[Launch]:
    """dx ← Σ dy · sign(x) (|x| / y)^(p − 1) over the windows that have the cell; a window whose y is 0 adds 0.

    Every row of dx belongs to one thread, which adds the windows in their order.
    """
    shape = record(x, y, geometry)
    arguments = (x, y, dy, dx, *shape, *_exponent(power, x, 1.0))
    scratch = geometry[1] * shape[-1] * x.shape[-1] * x.itemsize
    return [Launch(_BACKWARD, x.dtype, len(x) * x.shape[1], arguments, parallel=x.size >= SERIAL, scratch=scratch)]


def _exponent(power: float, x: Array, less: float = 0.0) -> tuple[int, float, float]:
    """The kind of exponent, what is raised to (``less`` less), and the least number that has a logarithm."""
    kind = {1.0: SIZES, 2.0: SQUARES}.get(power, POWERS)
    return kind, float(power) - less, float(np.finfo(x.dtype).tiny)
