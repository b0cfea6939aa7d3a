"""Stochastic pooling against loops over windows; what the layer's cases leave out: sizes, places, frequencies."""

import numpy as np
import pytest

from dlcli.kernels.philox import bits
from dlcli.kernels.stochastic_pool2d import drawn, forward
from tests.kernels.naive import agree
from tests.kernels.windows import SHAPES, places
from tests.layers.case import spread

KEY = 0xFEDCBA9876543210


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("place_type", [np.uint8, np.int32])
@pytest.mark.parametrize(("image", "channels", "geometry", "output"), SHAPES)
def test_draws_and_means(image, channels, geometry, output, place_type, dtype):
    x = spread((2, *image, channels), 1, -0.5, 1.0).astype(dtype)
    y, found = np.full((2, *output, channels), np.nan, dtype), np.full((2, *output, channels), 99, place_type)
    mean, words = np.full_like(y, np.nan), np.empty((2, y[0].size), np.uint32)
    drawn(x, geometry, KEY, 3, y, found)
    forward(x, geometry, mean)
    bits(KEY, 3, words)
    u = (words >> 8).reshape(y.shape) / 2**24
    means = np.zeros(y.shape)
    for (p, q), cells in places(image, geometry, output):
        values = np.array([np.maximum(x[:, h, w], 0) for (h, w), _ in cells], np.float64)
        total = values.sum(0)
        limit, sums = u[:, p, q] * total, values.cumsum(0)
        first = (sums <= limit).sum(0)
        for at in np.ndindex(total.shape):
            if total[at] == 0:
                assert (y[:, p, q][at], found[:, p, q][at]) == (0, geometry[0] * geometry[1])
            elif np.abs(sums[(slice(None), *at)] - limit[at]).min() > 1e-6:  # else rounding decides
                assert y[:, p, q][at] == values[(first[at], *at)].astype(dtype)
                assert found[:, p, q][at] == cells[first[at]][1]
        means[:, p, q] = (values**2).sum(0) / np.where(total == 0, 1, total)
    agree(mean, means)


def test_values_are_drawn_as_often_as_they_are_large():
    x = np.broadcast_to(np.array([1, 0, 4, 3], np.float32).reshape(1, 2, 2, 1), (1, 2, 2, 40_000)).copy()
    y, found = np.empty((1, 1, 1, 40_000), np.float32), np.empty((1, 1, 1, 40_000), np.uint8)
    drawn(x, (2, 2, 2, 2, 0, 0), KEY, 0, y, found)
    counts = np.bincount(found.reshape(-1), minlength=5)
    expected = np.array([1, 0, 4, 3, 0]) / 8 * 40_000
    assert (np.abs(counts - expected) <= 4 * np.sqrt(expected)).all()
    assert np.array_equal(np.sort(y.reshape(-1)), np.repeat([1, 3, 4], counts[[0, 3, 2]]))
