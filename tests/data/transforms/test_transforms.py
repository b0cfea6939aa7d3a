import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlcli.data.options import DataOptions
from dlcli.data.transforms.flatten import Flatten
from dlcli.data.transforms.scale import Scale
from dlcli.data.transforms.standardise import Standardise


def parts(x, size=7):
    return (x[start : start + size].copy() for start in range(0, len(x), size))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_scale(dtype):
    x = np.array([[1, 2], [3, 5]], dtype)
    y = Scale(by=0.5, offset=-1).apply(x, {})
    assert y is x
    np.testing.assert_array_equal(y, np.array([[-0.5, 0], [0.5, 1.5]]))


def test_flatten_is_a_view_with_channels_fastest():
    x = np.arange(24, dtype=np.float32).reshape(2, 2, 2, 3)
    y = Flatten().apply(x, {})
    assert y.base is not None
    np.testing.assert_array_equal(y, np.arange(24).reshape(2, 12))
    assert Flatten().output_shape((2, 2, 3)) == (12,)


def test_both_spellings():
    options = DataOptions.model_validate({"source": "bundled", "transform": ["standardise", "standardize"]})
    assert options.transform == (Standardise(), Standardise())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("per", "axes"), [("feature", 0), ("channel", (0, 1, 2)), ("whole", None)])
def test_standardise_equals_the_plain_formula(per, axes, dtype):
    x = np.random.default_rng(1).normal([3.0, -70.0], [2.0, 0.1], (30, 4, 3, 2)).astype(np.float32)
    transform = Standardise(per=per)
    statistics = transform.fit(parts(x))
    assert {name: array.shape for name, array in statistics.items()} == transform.statistics((4, 3, 2))
    assert all(array.dtype == np.float32 for array in statistics.values())
    exact = x.astype(np.float64)
    expected = (exact - exact.mean(axis=axes)) / exact.std(axis=axes)
    y = x.astype(dtype)
    assert transform.apply(y, statistics) is y
    np.testing.assert_allclose(y, expected, atol=2e-4, rtol=1e-5)


@pytest.mark.parametrize("constant", [0.1, -3e7, 1 / 3, 1e-30, 3e38])
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_what_never_varies_becomes_zero(constant, size):
    x = np.random.default_rng(1).normal(size=(1000, 3)).astype(np.float32)
    x[:, 1] = constant
    statistics = Standardise().fit(parts(x, size))
    assert statistics["deviation"][1] == 1
    y = Standardise().apply(x, statistics)
    np.testing.assert_array_equal(y[:, 1], 0)
    assert np.isfinite(y).all()


def test_a_deviation_too_small_for_float32_is_taken_for_none():
    x = np.array([[0], [0], [0], [1e-45]], np.float32)
    assert Standardise().fit(parts(x))["deviation"] == 1


def test_a_large_mean_does_not_drown_the_deviation():
    x = (1e6 + np.random.default_rng(1).integers(-2, 3, (5000, 1))).astype(np.float32)
    np.testing.assert_allclose(Standardise().fit(parts(x))["deviation"], x.astype(float).std(axis=0), rtol=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=2, max_size=40), st.integers(1, 40))
def test_how_the_samples_come_does_not_matter(values, size):
    x = np.array(values, np.float32)[:, None]
    whole, cut = Standardise().fit(parts(x, len(x))), Standardise().fit(parts(x, size))
    np.testing.assert_allclose(cut["mean"], whole["mean"], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(cut["deviation"], whole["deviation"], rtol=1e-6)
