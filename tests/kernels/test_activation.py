"""Activation functions and their slopes against Python's math."""

import math

import numpy as np
import pytest

from dlcli.kernels.activation import CODES, backward, forward
from tests.layers.naive import ACTIVATIONS, sigmoid

POINTS = [
    -1e4,
    -800.0,
    -90.0,
    -20.0,
    -3.7,
    -1.0,
    -1e-3,
    -1e-12,
    0.0,
    1e-12,
    1e-3,
    0.5,
    1.0,
    3.7,
    20.0,
    90.0,
    800.0,
    1e4,
]
SLOPES = {
    "linear": lambda x: 1.0,
    "sigmoid": lambda x: sigmoid(x) * sigmoid(-x),
    "tanh": lambda x: 1 - math.tanh(x) ** 2,
    "scaled_tanh": lambda x: 1.7159 * 2 / 3 * (1 - math.tanh(2 / 3 * x) ** 2),
    "relu": lambda x: 1.0 if x > 0 else 0.0,
    "softplus": sigmoid,
}
every_function = pytest.mark.parametrize("function", CODES)
both_types = pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-14), (np.float32, 4e-7)])


def test_the_table_is_whole():
    assert set(CODES) == set(SLOPES) == set(ACTIVATIONS)


@both_types
@every_function
def test_functions(function: str, dtype: type, tolerance: float):
    x = np.array([POINTS, POINTS[::-1]], dtype)
    y = np.full_like(x, 99)
    forward(CODES[function], x, y)
    expected = [[ACTIVATIONS[function](float(value)) for value in row] for row in x]
    assert np.allclose(y, expected, rtol=tolerance, atol=1e-37)
    in_place = x.copy()
    forward(CODES[function], in_place, in_place)
    assert in_place.tobytes() == y.tobytes()


@both_types
@every_function
def test_slopes_from_the_output(function: str, dtype: type, tolerance: float):
    x = np.array([POINTS], dtype)
    y, dx = np.empty_like(x), np.full_like(x, 99)
    forward(CODES[function], x, y)
    backward(CODES[function], y, np.full_like(x, -3), dx)
    expected = [[-3 * SLOPES[function](float(value)) for value in x[0]]]
    # 1 − y is exact, but y is rounded, where the function saturates.
    assert np.allclose(dx, expected, rtol=10 * tolerance, atol=3 * tolerance)


@every_function
def test_nan_passes(function: str):
    x = np.array([[0.5, np.nan, -0.5]])
    y = np.empty_like(x)
    forward(CODES[function], x, y)
    assert np.isnan(y).tolist() == [[False, True, False]]


def test_scaled_tanh_maps_one_to_one():
    """LeCun's choice of constants."""
    x = np.array([[1.0, -1.0]])
    forward(CODES["scaled_tanh"], x, x)
    assert np.allclose(x, [[1, -1]], atol=1e-4)
