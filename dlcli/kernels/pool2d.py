"""Pooling, channels last: x (N, H, W, C), y (N, OH, OW, C).

``geometry`` = (size, stride and padding, each of rows and columns). A window is cut at the image's edges: cells of
the padding are never the largest. Each image belongs to one thread, so that overlapping windows add their gradients
in a fixed order.
"""

import numpy as np
from numba import njit, prange


@njit(cache=True)
def _window(position, size, stride, padding, limit):
    """First cell and the one past the last, of window ``position`` along one axis."""
    start = position * stride - padding
    return max(start, 0), min(start + size, limit)


@njit(cache=True, parallel=True)
def max_forward(x, geometry, y, winners):
    """y ← the largest of each window; winners (N, OH, OW, C): its place in the window, row by row.

    The first of equals wins; NaN wins over all.
    """
    size_h, size_w, stride_h, stride_w, pad_h, pad_w = geometry
    for task in prange(y.shape[0] * y.shape[1]):
        n, p = task // y.shape[1], task % y.shape[1]
        h0, h1 = _window(p, size_h, stride_h, pad_h, x.shape[1])
        for q in range(y.shape[2]):
            w0, w1 = _window(q, size_w, stride_w, pad_w, x.shape[2])
            best, winner = y[n, p, q], winners[n, p, q]
            best[:] = x[n, h0, w0]
            winner[:] = 0
            for h in range(h0, h1):
                for w in range(w0, w1):
                    place = (h - h0) * (w1 - w0) + (w - w0)
                    cell = x[n, h, w]
                    for c in range(cell.size):
                        if cell[c] > best[c] or cell[c] != cell[c]:
                            best[c] = cell[c]
                            winner[c] = place


@njit(cache=True, parallel=True)
def max_backward(dy, winners, geometry, dx):
    """dx ← dy at each window's winner, zero elsewhere."""
    size_h, size_w, stride_h, stride_w, pad_h, pad_w = geometry
    for n in prange(dy.shape[0]):
        dx[n] = 0
        for p in range(dy.shape[1]):
            h0, _ = _window(p, size_h, stride_h, pad_h, dx.shape[1])
            for q in range(dy.shape[2]):
                w0, w1 = _window(q, size_w, stride_w, pad_w, dx.shape[2])
                columns = w1 - w0
                for c in range(dy.shape[3]):
                    place = np.int64(winners[n, p, q, c])
                    dx[n, h0 + place // columns, w0 + place % columns, c] += dy[n, p, q, c]


@njit(cache=True)
def _divisor(position_h, position_w, geometry, height, width, count_padding):
    """Cells that an average is over: those of the image, or those of the padded image too (Caffe's)."""
    size_h, size_w, stride_h, stride_w, pad_h, pad_w = geometry
    if count_padding:
        start_h, start_w = position_h * stride_h - pad_h, position_w * stride_w - pad_w
        rows = min(start_h + size_h, height + pad_h) - start_h
        columns = min(start_w + size_w, width + pad_w) - start_w
        return rows * columns
    h0, h1 = _window(position_h, size_h, stride_h, pad_h, height)
    w0, w1 = _window(position_w, size_w, stride_w, pad_w, width)
    return (h1 - h0) * (w1 - w0)


@njit(cache=True, parallel=True)
def average_forward(x, geometry, count_padding, y):
    """y ← the mean of each window."""
    size_h, size_w, stride_h, stride_w, pad_h, pad_w = geometry
    for task in prange(y.shape[0] * y.shape[1]):
        n, p = task // y.shape[1], task % y.shape[1]
        h0, h1 = _window(p, size_h, stride_h, pad_h, x.shape[1])
        for q in range(y.shape[2]):
            w0, w1 = _window(q, size_w, stride_w, pad_w, x.shape[2])
            total = y[n, p, q]
            total[:] = 0
            for h in range(h0, h1):
                for w in range(w0, w1):
                    for c in range(total.size):
                        total[c] += x[n, h, w, c]
            divisor = x.dtype.type(_divisor(p, q, geometry, x.shape[1], x.shape[2], count_padding))
            for c in range(total.size):
                total[c] /= divisor


@njit(cache=True, parallel=True)
def average_backward(dy, geometry, count_padding, dx):
    """dx ← each window's gradient, in equal shares to its cells."""
    size_h, size_w, stride_h, stride_w, pad_h, pad_w = geometry
    for n in prange(dy.shape[0]):
        dx[n] = 0
        for p in range(dy.shape[1]):
            h0, h1 = _window(p, size_h, stride_h, pad_h, dx.shape[1])
            for q in range(dy.shape[2]):
                w0, w1 = _window(q, size_w, stride_w, pad_w, dx.shape[2])
                divisor = dy.dtype.type(_divisor(p, q, geometry, dx.shape[1], dx.shape[2], count_padding))
                for h in range(h0, h1):
                    for w in range(w0, w1):
                        for c in range(dy.shape[3]):
                            dx[n, h, w, c] += dy[n, p, q, c] / divisor
