"""Local response normalisation: accuracy in ulp, and what the layer's cases leave out: many pixels, few channels."""

import numpy as np
import pytest

from dlcli.kernels.response import backward, forward
from tests.layers.case import spread


def scales(x, n, a, k):
    """s of x (pixels, channels), window by window, in float64."""
    return np.array(
        [
            [
                k + a * sum(float(v) ** 2 for v in row[max(c - n // 2, 0) : max(c - n // 2 + n, 0)])
                for c in range(len(row))
            ]
            for row in x
        ]
    )


@pytest.mark.parametrize(("n", "beta"), [(5, 0.75), (4, 0.5), (3, 1.25)])
@pytest.mark.parametrize(("pixels", "channels"), [(300, 3), (70, 20), (9, 300), (1, 2000)])
def test_values_and_gradients(n, beta, pixels, channels):
    x, dy = spread((pixels, channels), 1, -3, 3).astype(np.float32), spread((pixels, channels), 2).astype(np.float32)
    y, dx = np.full_like(x, np.nan), np.full_like(x, np.nan)
    forward(x, n, 0.7, beta, 1.5, y)
    backward(x, dy, n, 0.7, beta, 1.5, dx)
    wide, s = x.astype(np.float64), scales(x, n, 0.7, 1.5)
    expected = wide * s**-beta
    assert (np.abs(y - expected) <= 5 * np.spacing(np.abs(expected).astype(np.float32))).all()
    ratios, before = dy * wide * s ** (-beta - 1), n // 2
    sums = [[row[max(c - (n - 1 - before), 0) : c + before + 1].sum() for c in range(channels)] for row in ratios]
    gradient = dy * s**-beta - 2 * 0.7 * beta * wide * np.array(sums)
    assert np.allclose(dx, gradient, rtol=0, atol=2e-6 * np.abs(gradient).max())
