"""Windows into images: gathered, cut out, mirrored, resampled and made numbers of the network's type in one pass.

Throughout: source (N, H, W, C), bytes or numbers of the kernel's type; indices (n,) int64, which of its images are
wanted; windows (n, 5) float64, a row (top, left, step_y, step_x, mirrored) for each (see `dlcli.data.windows.Windows`);
out (n, h, w, C). A window's pixels are computed one by one, from the same numbers in the same order whatever else there
is. The kernels are not parallel, so that another thread than the one that trains may run them.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from dlcli.kernels.addresses import array, place, typed_array
from dlcli.kernels.launch import Kernel, Launch, Planned

Array = npt.NDArray[Any]


@njit(error_model="numpy")
def _zero(row):
    for i in range(row.size):
        row[i] = 0


@njit(error_model="numpy")
def _reverse(pixels, channels, row):
    """row ← pixels, the last first; both are flat."""
    count = row.size // channels
    if channels == 3:
        for j in range(count):
            k = 3 * (count - 1 - j)
            row[k], row[k + 1], row[k + 2] = pixels[3 * j], pixels[3 * j + 1], pixels[3 * j + 2]
    else:
        for j in range(count):
            for c in range(channels):
                row[(count - 1 - j) * channels + c] = pixels[j * channels + c]


@njit(error_model="numpy")
def _cut_out(x, height, width, channels, window, y, w):
    """y (flat) ← the window of x (flat), whose pixels are x's own; outside x they are 0."""
    top, left, mirrored = int(window[0]), int(window[1]), window[4] > 0
    begin = min(max(0, -left), w)  # columns of the window that lie in x
    end = max(begin, min(w, width - left))
    for i in range(y.size // (w * channels)):
        row = y[i * w * channels : (i + 1) * w * channels]
        if not 0 <= top + i < height:
            _zero(row)
            continue
        start = ((top + i) * width + left) * channels
        pixels = x[start + begin * channels : start + end * channels]
        if mirrored:
            _zero(row[: (w - end) * channels])
            _reverse(pixels, channels, row[(w - end) * channels : (w - begin) * channels])
            _zero(row[(w - begin) * channels :])
        else:
            _zero(row[: begin * channels])
            inside = row[begin * channels : end * channels]
            for k in range(inside.size):
                inside[k] = pixels[k]
            _zero(row[end * channels :])


@njit(error_model="numpy")
def _between(at, size):
    """The two pixels of a line of ``size`` between whose centres a point lies, and how far from the first it is."""
    at = min(max(at - 0.5, 0.0), size - 1.0)
    first = math.floor(at)
    return first, min(first + 1, size - 1), at - first


@njit(error_model="numpy")
def _resample(x, height, width, channels, window, y, w, columns, shares, blend):
    """y (flat) ← the window of x (flat) by bilinear interpolation: of two rows first, then of two columns."""
    for j in range(w):
        left, right, share = _between(window[1] + (j + 0.5) * window[3], width)
        place_of_j = w - 1 - j if window[4] > 0 else j
        columns[2 * place_of_j], columns[2 * place_of_j + 1], shares[place_of_j] = left, right, share
    begin = min(columns[0], columns[2 * w - 2]) * channels
    end = (max(columns[1], columns[2 * w - 1]) + 1) * channels
    for j in range(2 * w):
        columns[j] = columns[j] * channels - begin
    for i in range(y.size // (w * channels)):
        upper, lower, down = _between(window[0] + (i + 0.5) * window[2], height)
        share, line = y.dtype.type(down), width * channels
        above, below = x[upper * line + begin : upper * line + end], x[lower * line + begin : lower * line + end]
        for k in range(end - begin):
            a = y.dtype.type(above[k])
            blend[k] = a + share * (y.dtype.type(below[k]) - a)
        row = y[i * w * channels : (i + 1) * w * channels]
        for c in range(channels):
            for j in range(w):
                a, b = blend[columns[2 * j] + c], blend[columns[2 * j + 1] + c]
                row[j * channels + c] = a + shares[j] * (b - a)


def _cut_outs(p, first, last, shared, scratch):
    source, are_bytes, height, width, channels, h, w = p[0], p[1], p[2], p[3], p[4], p[8], p[9]
    pixels, size, itemsize = height * width * channels, h * w * channels, array(p[7], 1, scratch).itemsize
    for n in range(first, last):
        index = typed_array(p[5] + 8 * n, 1, np.int64)[0]
        window = typed_array(p[6] + 40 * n, 5, np.float64)
        y = array(p[7] + n * size * itemsize, size, scratch)
        if are_bytes:
            _cut_out(typed_array(source + index * pixels, pixels, np.uint8), height, width, channels, window, y, w)
        else:
            x = array(source + index * pixels * itemsize, pixels, scratch)
            _cut_out(x, height, width, channels, window, y, w)


def _resampled(p, first, last, shared, scratch):
    source, are_bytes, height, width, channels, h, w = p[0], p[1], p[2], p[3], p[4], p[8], p[9]
    pixels, size, itemsize = height * width * channels, h * w * channels, array(p[7], 1, scratch).itemsize
    columns = typed_array(place(scratch), 2 * w, np.int64)
    shares = array(place(scratch) + 16 * w, w, scratch)
    blend = array(place(scratch) + 24 * w, width * channels, scratch)
    for n in range(first, last):
        index = typed_array(p[5] + 8 * n, 1, np.int64)[0]
        window = typed_array(p[6] + 40 * n, 5, np.float64)
        y = array(p[7] + n * size * itemsize, size, scratch)
        if are_bytes:
            x_bytes = typed_array(source + index * pixels, pixels, np.uint8)
            _resample(x_bytes, height, width, channels, window, y, w, columns, shares, blend)
        else:
            x = array(source + index * pixels * itemsize, pixels, scratch)
            _resample(x, height, width, channels, window, y, w, columns, shares, blend)


_CUT_OUTS, _RESAMPLED = Kernel(_cut_outs), Kernel(_resampled)


def _arguments(source: Array, indices: Array, windows: Array, out: Array) -> tuple[Array | int, ...]:
    if source.dtype not in (np.uint8, out.dtype):
        raise ValueError(f"windows into {out.dtype} are cut out of bytes or {out.dtype}, found {source.dtype}")
    return source, source.dtype == np.uint8, *source.shape[1:], indices, windows, out, *out.shape[1:3]


@Planned
def cut_out(source: Array, indices: Array, windows: Array, out: Array) -> list[Launch]:
    """out ← windows whose steps are 1 and whose corners are whole numbers; what lies outside an image is 0."""
    return [Launch(_CUT_OUTS, out.dtype, len(out), _arguments(source, indices, windows, out), parallel=False)]


@Planned
def resample(source: Array, indices: Array, windows: Array, out: Array) -> list[Launch]:
    """out ← windows by bilinear interpolation between the centres of pixels; beyond those of an edge, the edge's."""
    scratch = 24 * out.shape[2] + 8 * source.shape[2] * source.shape[3]
    arguments = _arguments(source, indices, windows, out)
    return [Launch(_RESAMPLED, out.dtype, len(out), arguments, parallel=False, scratch=scratch)]
