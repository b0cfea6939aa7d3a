"""Penalties on activity at their edges; inside, the common layer test of `sparsity` compares them with numbers."""

import math

import numpy as np
import pytest

from dlcli.kernels.regulariser import kl_gradient, kl_penalty, l1_gradient, l1_penalty, mean_activity

FLOOR = 1e-6


def test_the_mean_is_over_the_batch():
    h = np.array([[0.1, 0.9], [0.3, 0.5], [0.8, 0.1]], np.float32)
    mean = np.full(2, np.nan, np.float32)
    mean_activity(h, mean)
    assert mean == pytest.approx([0.4, 0.5])


def test_no_divergence_at_the_target():
    assert kl_penalty(np.array([0.2, 0.2]), 0.2, FLOOR) == pytest.approx(0, abs=1e-15)
    d = np.zeros((3, 2))
    kl_gradient(np.array([0.2, 0.2]), 0.2, FLOOR, 5.0, d)
    assert np.abs(d).max() < 1e-14


@pytest.mark.parametrize("mean", [0.0, 1.0, -3.0, 7.0])
def test_units_that_always_rest_or_fire_are_drawn_back(mean: float):
    """The divergence is infinite there: value and gradient are those at the floor."""
    near = min(max(mean, FLOOR), 1 - FLOOR)
    expected = 0.1 * math.log(0.1 / near) + 0.9 * math.log(0.9 / (1 - near))
    assert kl_penalty(np.array([mean]), 0.1, FLOOR) == pytest.approx(expected)
    d = np.array([[1.0], [2.0]])
    kl_gradient(np.array([mean]), 0.1, FLOOR, 3.0, d)
    slope = 3.0 / 2 * (0.9 / (1 - near) - 0.1 / near)
    assert d == pytest.approx(np.array([[1.0 + slope], [2.0 + slope]]))
    assert (slope < 0) == (mean <= 0)


def test_l1_has_no_slope_at_zero():
    h = np.array([[1.0, -2.0, 0.0], [0.5, 0.0, -1.0]])
    assert l1_penalty(h) == pytest.approx(4.5 / 2)
    d = np.zeros_like(h)
    l1_gradient(h, 0.6, d)
    assert d == pytest.approx(0.3 * np.sign(h))
