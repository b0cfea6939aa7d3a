"""States of stochastic units: naive draws at their addresses, frequencies, and products that draw in their store."""

from statistics import NormalDist

import numpy as np
import pytest

from dlcli.kernels import dense, sampling
from dlcli.kernels.activation import SIGMOID
from dlcli.kernels.sink import MOVE, STORE
from tests.layers.naive import philox, random_words, sigmoid

KEY, STEP = 0x123456789ABCDEF0, 9
TYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def uniform(shape, key=KEY, step=STEP):
    """The upper 24 bits of each element's word, as the kernel takes them."""
    return (random_words(shape, key, step) >> 8).astype(np.float64) * 2.0**-24


@TYPES
@pytest.mark.parametrize("units", [1, 4, 7, 33])
def test_binary_states_have_an_address(units, dtype):
    p = np.random.default_rng(1).random((3, units)).astype(dtype)
    out = np.full_like(p, np.nan)
    sampling.binary(KEY, STEP, p, out)
    assert np.array_equal(out, (uniform(p.shape) < p).astype(dtype))
    sampling.binary(KEY, STEP, p, p)  # in place
    assert np.array_equal(out, p)


def test_certain_states_are_certain():
    p = np.repeat(np.array([[0.0, 1.0]], np.float32), 500, axis=1)
    out = np.empty_like(p)
    sampling.binary(KEY, STEP, p, out)
    assert np.array_equal(out, p)


def test_the_step_may_change_between_launches():
    p, step = np.full((2, 40), 0.5, np.float32), np.array([3], np.int64)
    out, later = np.empty_like(p), np.empty_like(p)
    (launch,) = sampling.binary.plan(KEY, step, p, out)
    launch.run()
    step[0] = 4
    sampling.binary(KEY, 4, p, later)
    assert not np.array_equal(out, later)
    launch.run()
    assert np.array_equal(out, later)


@TYPES
@pytest.mark.parametrize(("rows", "inputs", "units"), [(1, 3, 5), (7, 300, 19), (130, 20, 300), (33, 700, 64)])
@pytest.mark.parametrize("threads_", [1, 2, 3])
def test_products_draw_what_their_means_say(rows, inputs, units, dtype, threads, threads_):
    rng = np.random.default_rng(rows)
    x, w, b = rng.normal(size=(rows, inputs)), rng.normal(size=(inputs, units)) / 9, rng.normal(size=units)
    x, w, b = (np.ascontiguousarray(a, dtype) for a in (x, w, b))
    expected, drawn, means, states = (np.empty((rows, units), dtype) for _ in range(4))
    threads(1)
    dense.forward(x, w, b, SIGMOID, expected)
    sampling.binary(KEY, STEP, expected, drawn)
    threads(threads_)
    dense.forward_drawn(x, w, b, means, KEY, STEP, states)
    assert means.tobytes() == expected.tobytes()
    assert states.tobytes() == drawn.tobytes()
    dense.forward_transposed_drawn(x, np.ascontiguousarray(w.T), b, means, KEY, STEP, states)
    assert means.tobytes() == expected.tobytes()
    assert states.tobytes() == drawn.tobytes()


@TYPES
@pytest.mark.parametrize("threads_", [1, 3])
def test_a_product_may_draw_for_its_last_rows_alone(dtype, threads, threads_):
    rng = np.random.default_rng(3)
    x, w, b = (np.ascontiguousarray(rng.normal(size=s), dtype) for s in ((250, 30), (30, 77), 77))
    means, expected, states = np.empty((250, 77), dtype), np.empty((120, 77), dtype), np.empty((120, 77), dtype)
    threads(threads_)
    dense.forward_drawn(x, w, b, means, KEY, STEP, states)
    sampling.binary(KEY, STEP, np.ascontiguousarray(means[130:]), expected)
    assert states.tobytes() == expected.tobytes()


@TYPES
def test_a_product_may_begin_with_a_bias_for_each_row(dtype):
    rng = np.random.default_rng(2)
    x, w, b = (np.ascontiguousarray(rng.normal(size=s), dtype) for s in ((37, 650), (650, 45), (37, 45)))
    y = np.empty((37, 45), dtype)
    exact = 1 / (1 + np.exp(-(x.astype(np.float64) @ w + b)))
    dense.forward(x, w, b, SIGMOID, y)
    np.testing.assert_allclose(y, exact, atol=1e-4 if dtype == np.float32 else 1e-12)
    dense.forward_transposed(x, np.ascontiguousarray(w.T), b, SIGMOID, y)
    np.testing.assert_allclose(y, exact, atol=1e-4 if dtype == np.float32 else 1e-12)


def naive_normal(n, i):
    """The quantile of the element's word."""
    word = philox(KEY, (i // 4, n, STEP, 0))[i % 4]
    return NormalDist().inv_cdf((word + 0.5) / 2**32)


@TYPES
@pytest.mark.parametrize("units", [1, 6, 9])
def test_normal_and_rectified_states_have_an_address(units, dtype):
    rng = np.random.default_rng(3)
    mean, deviation = rng.normal(size=(4, units)).astype(dtype), rng.random(units).astype(dtype)
    out = np.empty_like(mean)
    noise = np.array([[naive_normal(n, i) for i in range(units)] for n in range(4)])
    sampling.normal(KEY, STEP, mean, deviation, out)
    np.testing.assert_allclose(out, mean + deviation * noise, atol=1e-6)
    sampling.rectified(KEY, STEP, mean, out)
    spread = np.sqrt(np.vectorize(sigmoid)(mean.astype(np.float64)))
    np.testing.assert_allclose(out, np.maximum(mean + spread * noise, 0), atol=1e-6)


def test_normal_states_are_normal():
    mean, deviation, out = np.full((400, 500), 3, np.float32), np.full(500, 2, np.float32), np.empty((400, 500), "f4")
    sampling.normal(KEY, STEP, mean, deviation, out)
    z = (out.astype(np.float64) - 3) / 2
    moments = [np.mean(z**k) for k in (1, 2, 3, 4)]
    np.testing.assert_allclose(moments, [0, 1, 0, 3], atol=0.05)


@TYPES
def test_one_unit_of_each_group_is_on(dtype):
    x = np.random.default_rng(4).normal(size=(5, 12)).astype(dtype)
    mean, states = np.empty_like(x), np.empty_like(x)
    sampling.softmax(KEY, STEP, 4, x, mean, states)
    exact = np.exp(x.astype(np.float64).reshape(5, 3, 4))
    exact /= exact.sum(axis=2, keepdims=True)
    np.testing.assert_allclose(mean.reshape(5, 3, 4), exact, rtol=1e-5)
    assert np.array_equal(states.reshape(5, 3, 4).sum(axis=2), np.ones((5, 3)))
    for n, group in np.ndindex(5, 3):
        point = (philox(KEY, (group, n, STEP, 0))[0] + 0.5) / 2**32
        chosen = int(np.searchsorted(np.cumsum(exact[n, group]), point, side="right"))
        assert states[n, 4 * group + chosen] == 1


def test_softmax_states_come_as_often_as_they_should():
    x = np.tile(np.log(np.array([[0.1, 0.2, 0.7]], np.float32)), (20_000, 1))
    mean, states = np.empty_like(x), np.empty_like(x)
    sampling.softmax(KEY, STEP, 3, x, mean, states)
    np.testing.assert_allclose(states.mean(axis=0), [0.1, 0.2, 0.7], atol=0.01)


@TYPES
def test_rows_are_weighed_and_errors_summed(dtype):
    rng = np.random.default_rng(5)
    x, y = (rng.normal(size=(6, 37)).astype(dtype) for _ in range(2))
    errors, before = np.empty(6), y.copy()
    sampling.squared_errors(x, y, errors)
    np.testing.assert_allclose(errors, 0.5 * ((x.astype(np.float64) - y) ** 2).sum(axis=1), rtol=1e-12)
    weighed = x.copy()
    sampling.weigh(weighed, 2, -0.5, 0.25)
    np.testing.assert_allclose(weighed, np.concatenate([-0.5 * x[:2], 0.25 * x[2:]]), rtol=1e-6)
    sampling.add_to_rows(y, x[0].copy())
    np.testing.assert_allclose(y - x[0], before, atol=1e-6)


@TYPES
@pytest.mark.parametrize("shape", [(2, 1), (5, 64), (230, 200)])
@pytest.mark.parametrize("threads_", [1, 2])
def test_columns_of_data_and_chains_are_contrasted(shape, dtype, threads, threads_):
    rng = np.random.default_rng(6)
    v, split = rng.normal(size=shape).astype(dtype), shape[0] // 2
    exact = v[split:].mean(axis=0, dtype=np.float64) - v[:split].mean(axis=0, dtype=np.float64)
    gradient, nothing = np.empty(shape[1], dtype), np.empty(0, dtype)
    threads(threads_)
    sampling.contrast_columns(v, split, STORE, gradient, nothing, np.zeros(3, dtype))
    np.testing.assert_allclose(gradient, exact, atol=1e-5 if dtype == np.float32 else 1e-13)
    w, constants = np.ones(shape[1], dtype), np.array([0.5, 0, 0], dtype)
    sampling.contrast_columns(v, split, MOVE, w, w, constants)
    np.testing.assert_array_equal(w, 1 - constants[0] * gradient)
