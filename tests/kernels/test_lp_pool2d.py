"""Lp pooling against loops over windows; what the layer's cases leave out: sizes, extreme numbers, powers' accuracy."""

import numpy as np
import pytest

from dlcli.kernels.exponential import raised
from dlcli.kernels.lp_pool2d import backward, forward
from tests.kernels.naive import agree
from tests.kernels.windows import SHAPES, places
from tests.layers.case import spread


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("power", [1.0, 2.0, 3.5])
@pytest.mark.parametrize(("image", "channels", "geometry", "output"), SHAPES)
def test_norms_and_their_gradients(image, channels, geometry, output, power, dtype):
    x, dy = spread((2, *image, channels), 1).astype(dtype), spread((2, *output, channels), 2).astype(dtype)
    y, dx = np.full_like(dy, np.nan), np.full_like(x, np.nan)
    forward(x, geometry, power, y)
    backward(x, y, dy, geometry, power, dx)
    wide, norms, gradient = x.astype(np.float64), np.zeros(y.shape), np.zeros(x.shape)
    for (p, q), cells in places(image, geometry, output):
        norms[:, p, q] = sum(np.abs(wide[:, h, w]) ** power for (h, w), _ in cells) ** (1 / power)
        for (h, w), _ in cells:
            v = wide[:, h, w]
            gradient[:, h, w] += dy[:, p, q] * np.sign(v) * (np.abs(v) / norms[:, p, q]) ** (power - 1)
    agree(y, norms)
    agree(dx, gradient)


@pytest.mark.parametrize("power", [1.0, 2.0, 3.0, 80.0])
@pytest.mark.parametrize("size", [1e-30, 1e30])
def test_numbers_whose_powers_are_out_of_range(power, size):
    x = np.array([3, 0, -4, 1], np.float32).reshape(1, 2, 2, 1) * np.float32(size)
    y, dx = np.empty((1, 1, 1, 1), np.float32), np.empty_like(x)
    forward(x, (2, 2, 2, 2, 0, 0), power, y)
    norm = 4 * ((3 / 4) ** power + 1 + (1 / 4) ** power) ** (1 / power)
    assert float(y[0, 0, 0, 0]) == pytest.approx(norm * size, rel=1e-6)
    backward(x, y, np.ones_like(y), (2, 2, 2, 2, 0, 0), power, dx)
    expected = [(3 / norm) ** (power - 1), 0, -((4 / norm) ** (power - 1)), (1 / norm) ** (power - 1)]
    assert dx.reshape(-1).tolist() == pytest.approx(expected, rel=1e-5, abs=1e-30)


@pytest.mark.parametrize("power", [1.0, 2.0, 3.0])
def test_a_window_of_zeros_has_no_gradient(power):
    x, y, dx = np.zeros((1, 2, 4, 5), np.float32), np.ones((1, 1, 2, 5), np.float32), np.ones((1, 2, 4, 5), np.float32)
    forward(x, (2, 2, 2, 2, 0, 0), power, y)
    backward(x, y, np.ones_like(y), (2, 2, 2, 2, 0, 0), power, dx)
    assert not y.any()
    assert not dx.any()


@pytest.mark.parametrize("exponent", [0.1, 0.5, 1.0, 2.5, 12.0])
def test_error_of_powers(exponent):
    """A few units of the last place, and as many more as the logarithm of the result."""
    x = np.concatenate([np.exp(np.linspace(-80, 80, 4001) / max(exponent, 1)), np.linspace(0.5, 2, 4001)]).astype(
        np.float32
    )
    expected = x.astype(np.float64) ** float(np.float32(exponent))
    inside = (expected > 1e-37) & (expected < 1e38)
    found = np.array([raised(value, np.float32(exponent)) for value in x[inside]])
    error = np.abs(found / expected[inside] - 1) / (1 + np.abs(np.log(expected[inside])))
    assert error.max() < 4 * 2.0**-24
    assert np.isnan(raised(np.float32(np.nan), np.float32(exponent)))
