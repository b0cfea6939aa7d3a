"""Normal numbers from words, over their whole range; the common layer test compares the layers with naive ones."""

from statistics import NormalDist

import numpy as np
import pytest

from dlcli.kernels.noise import gaussian
from dlcli.kernels.philox import bits

KEY = 0xFEDC_BA98_7654_3210


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 5e-7), (np.float64, 1e-15)])
def test_they_are_the_quantiles_of_the_words(dtype, tolerance):
    """Relative to the number or to 1; among 300,000 words are some of both ends."""
    words, y = np.empty((3, 100_000), np.uint32), np.empty((3, 100_000), dtype)
    bits(KEY, 4, words)
    gaussian(KEY, 4, np.zeros_like(y), 1.0, y)
    u = (words.astype(np.float64) + 0.5) / 2**32
    expected = np.array([NormalDist().inv_cdf(p) for p in u.reshape(-1)]).reshape(u.shape)
    assert np.abs(expected).max() > 4
    assert np.max(np.abs(y - expected) / np.maximum(1, np.abs(expected))) < tolerance


def test_moments():
    y = np.empty((4, 50_000), np.float32)
    gaussian(KEY, 0, np.ones_like(y), 0.5, y)
    z = (y.astype(np.float64) - 1) / 0.5
    assert z.mean() == pytest.approx(0, abs=0.01)
    assert z.var() == pytest.approx(1, abs=0.01)
    assert np.mean(z**3) == pytest.approx(0, abs=0.03)
    assert np.mean(z**4) == pytest.approx(3, abs=0.06)


def test_threads_and_vectors_change_no_bit(threads):
    results = []
    for count in (1, 2):
        threads(count)
        y = np.empty((40, 1003), np.float32)
        gaussian(KEY, 9, np.zeros_like(y), 1.0, y)
        results.append(y)
    np.testing.assert_array_equal(*results)
    for samples, features in ((7, 1003), (40, 33)):  # the words of a sample don't depend on how many follow
        y = np.empty((samples, features), np.float32)
        gaussian(KEY, 9, np.zeros_like(y), 1.0, y)
        np.testing.assert_array_equal(y, results[0][:samples, :features])
