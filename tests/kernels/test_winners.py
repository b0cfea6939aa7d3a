"""The k largest at their edges: ties, signed zeros, neighbours, infinities, NaN."""

import numpy as np
import pytest

from dlcli.kernels.winners import winners

both_types = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def kept(row, k, dtype):
    x = np.array([row], dtype)
    y, wins = np.full_like(x, np.nan), np.full(x.shape, 9, np.uint8)
    winners(x, k, y, wins)
    np.testing.assert_array_equal(y, np.where(wins, x, 0))
    return wins[0].tolist()


@both_types
def test_of_equals_the_first_win(dtype):
    assert kept([1, 2, 2, 3, 2], 2, dtype) == [0, 1, 0, 1, 0]
    assert kept([1, 2, 2, 3, 2], 3, dtype) == [0, 1, 1, 1, 0]
    assert kept([-5, -5, -5], 2, dtype) == [1, 1, 0]
    assert kept([0, 0, 0, 0], 1, dtype) == [1, 0, 0, 0]


@both_types
def test_zeros_have_no_sign(dtype):
    assert kept([-0.0, 0.0, -1.0], 1, dtype) == [1, 0, 0]
    assert kept([0.0, -0.0, 1.0], 2, dtype) == [1, 0, 1]


@both_types
@pytest.mark.parametrize("sign", [1, -1])
def test_neighbours_are_told_apart(dtype, sign):
    near = np.array(sign * 0.3, dtype)
    above = np.nextafter(near, np.array(np.inf, dtype))
    assert kept([near, above, near], 1, dtype) == [0, 1, 0]
    assert kept([near, above, near], 2, dtype) == [1, 1, 0]


@both_types
def test_nan_is_above_all(dtype):
    assert kept([np.inf, 1, np.nan, -np.inf], 1, dtype) == [0, 0, 1, 0]
    assert kept([np.inf, 1, np.nan, -np.inf], 3, dtype) == [1, 1, 1, 0]
    assert kept([np.inf, 1, -np.nan, -np.inf], 1, dtype) == [0, 0, 1, 0]  # whatever its sign


@both_types
@pytest.mark.parametrize("k", [1, 7, 100, 999, 1000])
def test_they_are_those_of_a_sort(dtype, k):
    """Many of them tied: a thousand numbers of forty values, of all sizes and both signs."""
    random = np.random.default_rng(3)
    values = np.concatenate([10.0 ** random.uniform(-30, 30, 20), -(10.0 ** random.uniform(-30, 30, 20))])
    row = random.choice(values, 1000).astype(dtype)
    order = np.argsort(-row.astype(np.float64), kind="stable")[:k]
    assert np.flatnonzero(kept(row, k, dtype)).tolist() == sorted(order.tolist())
