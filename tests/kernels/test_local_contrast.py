"""Local contrast normalisation of larger images than the layer's cases have, and of those without contrast."""

import numpy as np
import pytest

from dlcli.kernels.local_contrast import backward, forward, gaussian
from tests.kernels.naive import agree

FLOOR = 1e-3


def normalised(x, window):
    y, deviations, divisors = np.full_like(x, np.nan), *np.full((2, *x.shape[:3]), np.nan, x.dtype)
    forward(x, window, FLOOR, y, deviations, divisors)
    return y, deviations, divisors


def around(planes, size, sigma):
    """Weighted means around each place of planes (N, H, W), by matrices of weights that sum to 1 in each row."""
    matrices = []
    for cells, length, width in zip(planes.shape[1:], size, sigma, strict=True):
        apart = np.subtract.outer(np.arange(cells), np.arange(cells))
        weights = np.where(np.abs(apart) <= length // 2, np.exp(-0.5 * (apart / width) ** 2), 0)
        matrices.append(weights / weights.sum(1, keepdims=True))
    return np.einsum("hi,nij,wj->nhw", matrices[0], planes, matrices[1])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("shape", "size", "sigma"),
    [((2, 40, 70, 20), (9, 9), (2.25, 2.25)), ((2, 3, 900, 1), (7, 5), (1.0, 2.0)), ((1, 65, 33, 3), (3, 41), (2, 9))],
)
def test_values_and_gradients(shape, size, sigma, dtype):
    rng = np.random.default_rng(0)
    x, dy = rng.normal(size=(2, *shape))
    x[:, : shape[1] // 2] *= 0.1  # some places below the mean deviation
    window = gaussian(size, sigma, shape[1:3], dtype)
    y, deviations, divisors = normalised(x.astype(dtype), window)
    v = x - around(x.mean(-1), size, sigma)[..., None]
    sigmas = np.sqrt(around((v**2).mean(-1), size, sigma))
    agree(y, v / np.maximum(sigmas, sigmas.mean((1, 2), keepdims=True))[..., None])
    dx = np.full_like(y, np.nan)
    backward(y, dy.astype(dtype), window, FLOOR, deviations, divisors, dx)
    direction, wide = rng.normal(size=shape), gaussian(size, sigma, shape[1:3], np.float64)
    ahead, back = (normalised(x + step * direction, wide)[0] for step in (1e-6, -1e-6))
    slope = np.vdot(dy, ahead - back) / 2e-6
    tolerance = 1e-3 if dtype is np.float32 else 1e-5
    limit = tolerance * float(np.linalg.norm(dx))
    assert float(np.vdot(dx, direction)) == pytest.approx(float(slope), rel=tolerance, abs=limit)


def test_an_image_without_contrast_stays_one():
    x = np.full((1, 12, 12, 30), 7, np.float32)
    window = gaussian((9, 9), (2.25, 2.25), (12, 12), np.float32)
    y, deviations, divisors = normalised(x, window)
    assert np.abs(y).max() < 1e-2
    assert (divisors == np.float32(FLOOR)).all()
    dx = np.empty_like(x)
    backward(y, np.ones_like(y), window, FLOOR, deviations, divisors, dx)
    assert np.isfinite(dx).all()
