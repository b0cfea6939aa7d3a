"""Pooling, channels last: x (N, H, W, C), y (N, OH, OW, C).

``geometry`` = (size, stride and padding, each of rows and columns). A window is cut at the image's edges: cells of
the padding are never the largest. Each image belongs to one thread, so that overlapping windows add their gradients
in a fixed order.
"""

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
                    for c in range(cell.size):  # selections rather than a branch, which would keep it scalar
                        wins = (cell[c] > best[c]) | (cell[c] != cell[c])
                        best[c] = cell[c] if wins else best[c]
                        winner[c] = place if wins else winner[c]


@njit(cache=True, parallel=True)
def max_backward(dy, winners, geometry, dx):
    """dx ← dy at each window's winner, zero elsewhere."""
    size_h, size_w, stride_h, stride_w, pad_h, pad_w = geometry
    for n in prange(dy.shape[0]):
        dx[n] = 0
        for p in range(dy.shape[1]):
            h0, h1 = _window(p, size_h, stride_h, pad_h, dx.shape[1])
            for q in range(dy.shape[2]):
                w0, w1 = _window(q, size_w, stride_w, pad_w, dx.shape[2])
                d, winner = dy[n, p, q], winners[n, p, q]
                for h in range(h0, h1):
                    for w in range(w0, w1):
                        place, out = (h - h0) * (w1 - w0) + (w - w0), dx[n, h, w]
                        for c in range(d.size):
                            out[c] += d[c] if winner[c] == place else d.dtype.type(0)


@njit(cache=True)
def _divisor(position_h, position_w, geometry, counted):
    """Cells of a window that its mean is over."""
    size_h, size_w, stride_h, stride_w, pad_h, pad_w = geometry
    top, bottom, left, right = counted
    h, w = position_h * stride_h - pad_h, position_w * stride_w - pad_w
    return (min(h + size_h, bottom) - max(h, top)) * (min(w + size_w, right) - max(w, left))


@njit(cache=True, parallel=True)
def average_forward(x, geometry, counted, y):
    """y ← the mean of each window over the cells that count: ``counted`` = (first row, the one past the last, first
    column, the one past the last), which reach into the padding where its zeros count.
    """
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
            divisor = x.dtype.type(_divisor(p, q, geometry, counted))
            for c in range(total.size):
                total[c] /= divisor


@njit(cache=True, parallel=True)
def average_backward(dy, geometry, counted, dx):
    """dx ← each window's gradient, in equal shares to its cells."""
    size_h, size_w, stride_h, stride_w, pad_h, pad_w = geometry
    for n in prange(dy.shape[0]):
        dx[n] = 0
        for p in range(dy.shape[1]):
            h0, h1 = _window(p, size_h, stride_h, pad_h, dx.shape[1])
            for q in range(dy.shape[2]):
                w0, w1 = _window(q, size_w, stride_w, pad_w, dx.shape[2])
                divisor = dy.dtype.type(_divisor(p, q, geometry, counted))
                for h in range(h0, h1):
                    for w in range(w0, w1):
                        for c in range(dy.shape[3]):
                            dx[n, h, w, c] += dy[n, p, q, c] / divisor
