"""What the kernels compute, as slowly and plainly as possible, in float64."""

import numpy as np


def correlation(x, weights, dy, geometry):
    """(y, dx, dw) of a convolution without bias: every tap multiplies a strided view of the padded input."""
    stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w, groups = geometry
    images, height, width, channels = x.shape
    kernel_h, kernel_w, depth, filters = weights.shape
    out_height, out_width = dy.shape[1:3]
    tall = max(pad_h + height, (out_height - 1) * stride_h + (kernel_h - 1) * dilation_h + 1)
    wide = max(pad_w + width, (out_width - 1) * stride_w + (kernel_w - 1) * dilation_w + 1)
    padded = np.zeros((images, tall, wide, channels))
    padded[:, pad_h : pad_h + height, pad_w : pad_w + width] = x
    y, dx, dw = np.zeros(dy.shape), np.zeros(padded.shape), np.zeros(weights.shape)
    share = filters // groups
    for i in range(kernel_h):
        for j in range(kernel_w):
            rows = slice(i * dilation_h, i * dilation_h + stride_h * (out_height - 1) + 1, stride_h)
            columns = slice(j * dilation_w, j * dilation_w + stride_w * (out_width - 1) + 1, stride_w)
            for group in range(groups):
                c, f = slice(group * depth, (group + 1) * depth), slice(group * share, (group + 1) * share)
                seen, d, w = padded[:, rows, columns, c], dy[..., f], weights[i, j, :, f]
                y[..., f] += seen @ w
                dx[:, rows, columns, c] += d @ w.T
                dw[i, j, :, f] = np.tensordot(seen, d, ((0, 1, 2), (0, 1, 2)))
    return y, dx[:, pad_h : pad_h + height, pad_w : pad_w + width], dw


def agree(found, expected):
    """Equal within rounding, relative to the largest element."""
    tolerance = 2e-5 if found.dtype == np.float32 else 1e-12
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * max(np.abs(expected).max(), 1e-6))


def local_products(x, weights, dy, geometry):
    """(y, dx, dw) of unshared weights (OH, OW, KH, KW, C, F) without bias, one position after the other."""
    stride_h, stride_w, pad_h, pad_w = geometry
    (_, height, width, _), (out_height, out_width, kernel_h, kernel_w, _, _) = x.shape, weights.shape
    below, right = out_height * stride_h + kernel_h, out_width * stride_w + kernel_w  # more than enough
    padded = np.pad(x, ((0, 0), (pad_h, below), (pad_w, right), (0, 0)))
    y, dx, dw = np.zeros(dy.shape), np.zeros(padded.shape), np.zeros(weights.shape)
    for p, q in np.ndindex(out_height, out_width):
        window = np.s_[:, p * stride_h : p * stride_h + kernel_h, q * stride_w : q * stride_w + kernel_w]
        y[:, p, q] = np.tensordot(padded[window], weights[p, q], 3)
        dx[window] += np.tensordot(dy[:, p, q], weights[p, q], (1, 3))
        dw[p, q] = np.tensordot(padded[window], dy[:, p, q], (0, 0))
    return y, dx[:, pad_h : pad_h + height, pad_w : pad_w + width], dw
