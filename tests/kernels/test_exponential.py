"""exp, sigmoid, tanh and softplus against float64, in units of the last place; special values; order."""

import numpy as np
import pytest

from dlcli.kernels import activation
from dlcli.kernels.activation import CODES
from dlcli.kernels.exponential import wide_exp

TINY = np.finfo(np.float32).tiny
REFERENCES = {
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "tanh": np.tanh,
    "softplus": lambda x: np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))),
}


def apply(name, x):
    y = np.empty_like(x)
    activation.forward(CODES[name], x, y)
    return y


@pytest.mark.parametrize(("name", "limit"), [("sigmoid", 2.5), ("tanh", 2.0), ("softplus", 3.0)])
def test_error_in_units_of_the_last_place(name, limit):
    x = np.concatenate([np.linspace(-87, 87, 500_001), np.linspace(-1, 1, 500_001), [1e-20, -1e-6]])
    x = x.astype(np.float32)
    expected = REFERENCES[name](x.astype(np.float64))
    normal = np.abs(expected) >= TINY
    error = np.abs(apply(name, x) - expected)[normal]
    assert (error / np.spacing(np.abs(expected[normal]).astype(np.float32))).max() <= limit


def test_error_of_the_slope_of_softplus():
    y = np.concatenate([np.linspace(0, 40, 500_001), np.logspace(-30, 0, 100_001)]).astype(np.float32)
    slope = np.empty_like(y)
    activation.backward(CODES["softplus"], y, np.ones_like(y), slope)
    expected = -np.expm1(-y.astype(np.float64))
    assert (np.abs(slope - expected) / np.spacing(expected.astype(np.float32))).max() <= 2.5


def test_error_of_wide_powers():
    x = np.linspace(-700, 700, 30_001)
    found = [wide_exp(float(value), np.float32(0)) for value in x]
    assert np.abs(np.array(found) / np.exp(x) - 1).max() < 3e-10
    assert np.isnan(wide_exp(np.nan, np.float32(0)))
    assert wide_exp(-1e30, np.float32(0)) < 1e-307


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_special_values(dtype):
    x = np.array([np.nan, np.inf, -np.inf, 0, 1e4, -500], dtype)
    np.testing.assert_array_equal(apply("sigmoid", x), np.array([np.nan, 1, 0, 0.5, 1, apply("sigmoid", x)[5]], dtype))
    np.testing.assert_array_equal(apply("tanh", x), np.array([np.nan, 1, -1, 0, 1, -1], dtype))
    assert apply("sigmoid", x)[5] < 1e-38


@pytest.mark.parametrize("name", sorted(CODES))
def test_a_value_does_not_depend_on_its_place(name):
    x = np.linspace(-6, 6, 30_011).astype(np.float32)
    whole = apply(name, x)
    np.testing.assert_array_equal(whole[7:], apply(name, x[7:].copy()))
    np.testing.assert_array_equal(whole[:5], apply(name, x[:5].copy()))


def test_strided_arrays_are_refused():
    x = np.zeros((4, 6), np.float32)
    with pytest.raises(ValueError, match="contiguous"):
        activation.forward(CODES["tanh"], x[:, :3], np.zeros((4, 3), np.float32))
