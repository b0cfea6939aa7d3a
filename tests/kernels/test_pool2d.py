"""Pooling kernels against loops over windows; what the layer's cases leave out: sizes, ties, places, gaps."""

import numpy as np
import pytest

from dlcli.kernels.pool2d import average_backward, average_forward, max_backward, max_forward
from tests.layers.case import spread

# Image, channels, geometry (size, stride, padding), output: every width of vector, each shape with code of its own.
SHAPES = [
    ((4, 6), 20, (2, 2, 2, 2, 0, 0), (2, 3)),
    ((7, 7), 50, (3, 3, 2, 2, 0, 0), (3, 3)),
    ((7, 5), 1, (2, 2, 3, 3, 0, 0), (2, 1)),  # gaps behind the windows
    ((6, 5), 3, (2, 3, 1, 2, 1, 1), (7, 3)),
    ((9, 8), 37, (4, 3, 2, 1, 0, 0), (3, 6)),
    ((5, 5), 15, (3, 3, 3, 3, 1, 1), (2, 2)),  # apart, and cut at the edges
]
every_shape = pytest.mark.parametrize(("image", "channels", "geometry", "output"), SHAPES)
both_types = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def cells_of(p, q, image, geometry):
    """((h, w), place) of each cell of a window that is in the image, row by row."""
    size_h, size_w, stride_h, stride_w, pad_h, pad_w = geometry
    for place, (i, j) in enumerate(np.ndindex(size_h, size_w)):
        h, w = p * stride_h - pad_h + i, q * stride_w - pad_w + j
        if 0 <= h < image[0] and 0 <= w < image[1]:
            yield (h, w), place


@both_types
@every_shape
@pytest.mark.parametrize("place_type", [np.uint8, np.int32])
def test_maxima_and_their_gradients(image, channels, geometry, output, dtype, place_type):
    x = spread((2, *image, channels), 1).astype(dtype)
    y, winners = np.full((2, *output, channels), np.nan, dtype), np.full((2, *output, channels), 99, place_type)
    max_forward(x, geometry, y, winners)
    dy, dx = spread(y.shape, 2).astype(dtype), np.full_like(x, np.nan)
    max_backward(dy, winners, geometry, dx)
    expected = np.zeros_like(dx)
    for n, p, q, c in np.ndindex(y.shape):
        value, negative_place, at = max(
            (x[n, h, w, c], -place, (h, w)) for (h, w), place in cells_of(p, q, image, geometry)
        )
        assert (y[n, p, q, c], winners[n, p, q, c]) == (value, -negative_place)
        expected[n, at[0], at[1], c] += dy[n, p, q, c]
    assert np.array_equal(dx, expected)


@both_types
@every_shape
def test_means_and_their_gradients(image, channels, geometry, output, dtype):
    x, tolerance = spread((2, *image, channels), 1).astype(dtype), 1e-6 if dtype is np.float32 else 1e-14
    counted = (0, image[0], -1, image[1] + 1)  # the padding's columns count, its rows don't
    y, dx = np.full((2, *output, channels), np.nan, dtype), np.full_like(x, np.nan)
    average_forward(x, geometry, counted, y)
    dy = spread(y.shape, 2).astype(dtype)
    average_backward(dy, geometry, counted, dx)
    expected, sums = np.zeros(x.shape), np.zeros(y.shape)
    size_h, size_w, stride_h, stride_w, pad_h, pad_w = geometry
    for p, q in np.ndindex(output):
        rows = [h for h in range(p * stride_h - pad_h, p * stride_h - pad_h + size_h) if 0 <= h < image[0]]
        columns = [w for w in range(q * stride_w - pad_w, q * stride_w - pad_w + size_w) if -1 <= w < image[1] + 1]
        for (h, w), _ in cells_of(p, q, image, geometry):
            sums[:, p, q] += x[:, h, w] / (len(rows) * len(columns))
            expected[:, h, w] += dy[:, p, q] / (len(rows) * len(columns))
    assert np.allclose(y, sums, rtol=0, atol=tolerance)
    assert np.allclose(dx, expected, rtol=0, atol=tolerance)


def test_the_first_of_equals_wins_and_nan_over_all():
    x = np.zeros((1, 2, 4, 9), np.float32)
    x[0, 1, 2] = np.nan
    y, winners = np.full((1, 1, 2, 9), 7, np.float32), np.full((1, 1, 2, 9), 7, np.uint8)
    max_forward(x, (2, 2, 2, 2, 0, 0), y, winners)
    assert (y[0, 0, 0] == 0).all()
    assert (winners[0, 0, 0] == 0).all()
    assert np.isnan(y[0, 0, 1]).all()
    assert (winners[0, 0, 1] == 2).all()


@pytest.mark.parametrize("channels", [1, 3, 20])
def test_padding_never_wins_and_a_place_past_the_last_sends_nothing(channels):
    x, geometry = np.full((1, 3, 3, channels), -np.inf, np.float32), (3, 3, 2, 2, 1, 1)
    y, winners = np.empty((1, 2, 2, channels), np.float32), np.empty((1, 2, 2, channels), np.uint8)
    max_forward(x, geometry, y, winners)
    assert np.isneginf(y).all()
    assert winners[0, :, :, 0].tolist() == [[4, 3], [1, 0]]
    winners[0, 0] = 9
    dx = np.empty_like(x)
    max_backward(np.ones_like(y), winners, geometry, dx)
    assert dx[0, :, :, channels - 1].tolist() == [[0, 0, 0], [1, 1, 0], [0, 0, 0]]
