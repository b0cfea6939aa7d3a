"""Sums of products and combinations of long vectors."""

import math
from unittest import mock

import numba
import numpy as np
import pytest

from dlcli.kernels import flat
from dlcli.kernels.flat import BLOCK, PIECE, Combination, Product
from tests.layers.case import spread

SIZES = [1, 15, 16, 37, BLOCK - 1, BLOCK, 2 * BLOCK + 21]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_product_is_summed_in_float64(size, dtype):
    x, y = spread((size,), 1).astype(dtype), spread((size,), 2).astype(dtype)
    product = Product(x, y)
    expected = math.fsum(float(a) * float(b) for a, b in zip(x, y, strict=True))
    assert product() == pytest.approx(expected, rel=1e-12, abs=1e-10)
    y *= 2  # the vectors stay, what they hold may change
    assert product() == pytest.approx(2 * expected, rel=1e-12, abs=1e-10)


@pytest.mark.parametrize("size", [*SIZES[:4], PIECE, 3 * PIECE + 5])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_combination_is_rounded_number_by_number(size, dtype):
    x, y = spread((size,), 1).astype(dtype), spread((size,), 2).astype(dtype)
    out = np.full(size, np.nan, dtype)
    combination = Combination(out, x, y)
    for a in (0.5, -1.25):
        combination(a)
        assert out.tobytes() == (x + dtype(a) * y).tobytes()
    expected = x + dtype(0.3) * y
    Combination(x, x, y)(0.3)
    assert x.tobytes() == expected.tobytes()


def test_threads_leave_every_bit():
    x, y = (spread((5 * BLOCK + 3,), seed).astype(np.float32) for seed in (1, 2))
    before, results = numba.get_num_threads(), set()
    try:
        with mock.patch.object(flat, "SERIAL", 1):
            for threads in (1, 2, 3):
                numba.set_num_threads(threads)
                out = np.empty_like(x)
                Combination(out, x, y)(0.7)
                results.add((Product(x, y)(), out.tobytes()))
    finally:
        numba.set_num_threads(before)
    assert len(results) == 1


def test_vectors_that_do_not_fit_are_refused():
    for other in (np.zeros(4), np.zeros(3, np.float32), np.zeros((3, 1))):
        with pytest.raises(ValueError, match="expected vectors of one size and type"):
            Product(np.zeros(3), other)
        with pytest.raises(ValueError, match="expected vectors of one size and type"):
            Combination(np.zeros(3), np.zeros(3), other)
