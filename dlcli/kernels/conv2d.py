"""The convolution's products (cross-correlation: the kernel is not flipped), channels last.

Shapes: x (N, H, W, C), weights (KH, KW, C / groups, F), y (N, OH, OW, F); ``geometry`` = (stride, padding and
dilation, each of rows and columns, groups): output (p, q) reads input (p·stride − padding + k·dilation). Group g
takes the g-th share of the channels to the g-th share of the filters.

Every element is one sum in a fixed order, owned by one thread, as in `dlcli.kernels.dense`.
"""

import numpy as np
from numba import njit, prange

from dlcli.kernels.activation import activate_row
from dlcli.kernels.sink import settle


@njit(cache=True)
def _add_scaled(scale, row, total):
    for i in range(row.size):
        total[i] += scale * row[i]


@njit(cache=True, parallel=True)
def forward(x, weights, bias, geometry, function, y):
    """y ← f(x ∗ weights + bias)."""
    stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w, groups = geometry
    height, width = x.shape[1], x.shape[2]
    kernel_h, kernel_w, channels = weights.shape[:3]
    filters = weights.shape[3] // groups
    for task in prange(y.shape[0] * y.shape[1]):
        n, p = task // y.shape[1], task % y.shape[1]
        for q in range(y.shape[2]):
            out = y[n, p, q]
            out[:] = bias
            for i in range(kernel_h):
                h = p * stride_h - pad_h + i * dilation_h
                if h < 0 or h >= height:
                    continue
                for j in range(kernel_w):
                    w = q * stride_w - pad_w + j * dilation_w
                    if w < 0 or w >= width:
                        continue
                    for g in range(groups):
                        share = slice(g * filters, (g + 1) * filters)
                        for c in range(channels):
                            _add_scaled(x[n, h, w, g * channels + c], weights[i, j, c, share], out[share])
            activate_row(function, out)


@njit(cache=True, parallel=True)
def input_gradient(dy, weights, geometry, dx):
    """dx: each input gathers from every output that read it."""
    stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w, groups = geometry
    kernel_h, kernel_w, channels = weights.shape[:3]
    filters = weights.shape[3] // groups
    transposed = np.ascontiguousarray(weights.transpose(0, 1, 3, 2))  # (KH, KW, F, C / groups)
    for task in prange(dx.shape[0] * dx.shape[1]):
        n, h = task // dx.shape[1], task % dx.shape[1]
        for w in range(dx.shape[2]):
            out = dx[n, h, w]
            out[:] = 0
            for i in range(kernel_h):
                p = h + pad_h - i * dilation_h
                if p < 0 or p % stride_h or p // stride_h >= dy.shape[1]:
                    continue
                for j in range(kernel_w):
                    q = w + pad_w - j * dilation_w
                    if q < 0 or q % stride_w or q // stride_w >= dy.shape[2]:
                        continue
                    d = dy[n, p // stride_h, q // stride_w]
                    for g in range(groups):
                        share = slice(g * channels, (g + 1) * channels)
                        for f in range(g * filters, (g + 1) * filters):
                            _add_scaled(d[f], transposed[i, j, f], out[share])


@njit(cache=True, parallel=True)
def weight_gradient(x, dy, geometry, kind, target, velocity, constants):
    """The weights' gradient, summed over images and positions in order, sent to a sink shaped as the weights."""
    stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w, groups = geometry
    kernel_h, kernel_w, channels, all_filters = target.shape
    filters = all_filters // groups
    for task in prange(kernel_h * kernel_w * channels):
        i, j, c = task // (kernel_w * channels), task // channels % kernel_w, task % channels
        total = np.zeros(all_filters, dy.dtype)
        for n in range(dy.shape[0]):
            for p in range(dy.shape[1]):
                h = p * stride_h - pad_h + i * dilation_h
                if h < 0 or h >= x.shape[1]:
                    continue
                for q in range(dy.shape[2]):
                    w = q * stride_w - pad_w + j * dilation_w
                    if w < 0 or w >= x.shape[2]:
                        continue
                    for g in range(groups):
                        share = slice(g * filters, (g + 1) * filters)
                        _add_scaled(x[n, h, w, g * channels + c], dy[n, p, q, share], total[share])
        settle(kind, total, target[i, j, c], velocity[i, j, c], constants)
