"""The convolution's backward products by lists, against naive sums and the products that they stand for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlcli.kernels import conv2d, sparse_correlation
from dlcli.kernels.launch import Choice
from dlcli.kernels.sink import STORE
from tests.kernels import naive
from tests.kernels.naive import agree
from tests.kernels.test_products import check_sinks, few_of, random

PLAIN = (1, 1, 0, 0, 1, 1, 1)
LENET = ((3, 12, 12, 20), (5, 5), 50, PLAIN)
dtypes = st.sampled_from([np.float32, np.float64])


def run(launches):
    for launch in launches:
        launch.run()


def case(dtype, shape, kernel, filters, geometry, share, seed):
    """(x, weights, dy) with about a share of dy not zero; None where the kernel does not fit."""
    stride_h, stride_w, pad_h, pad_w = geometry[:4]
    out = (shape[1] + 2 * pad_h - kernel[0]) // stride_h + 1, (shape[2] + 2 * pad_w - kernel[1]) // stride_w + 1
    if min(out) < 1:
        return None
    x, w, d = random(seed, dtype, shape, (*kernel, shape[3], filters), (shape[0], *out, filters))
    return x, w, few_of(d, share, seed)


def check(x, w, d, geometry):
    _, dx, dw = naive.correlation(*(array.astype(np.float64) for array in (x, w, d)), geometry)
    found = np.full_like(x, np.nan)
    run(sparse_correlation.input_gradient(d, w, geometry, found))
    agree(found, dx)
    (v,) = random(1, w.dtype, w.shape)
    check_sinks(lambda *sink: run(sparse_correlation.weight_gradient(x, d, geometry, *sink)), dw, w, v)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_products_by_lists(data):
    def draw(low, high):
        return data.draw(st.integers(low, high))

    kernel = (draw(1, 5), draw(1, 5))
    geometry = (draw(1, 3), draw(1, 3), draw(0, kernel[0] - 1), draw(0, kernel[1] - 1), 1, 1, 1)
    shape = (draw(1, 4), draw(1, 12), draw(1, 12), draw(1, 30))
    made = case(data.draw(dtypes), shape, kernel, draw(1, 40), geometry, data.draw(st.floats(0, 0.5)), draw(0, 99))
    if made is not None:
        check(*made, geometry)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("shape", "kernel", "filters", "geometry"),
    [
        LENET,
        ((2, 13, 17, 30), (3, 4), 7, (2, 3, 1, 2, 1, 1, 1)),  # steps, and an edge that no patch reaches
        ((2, 9, 9, 3), (11, 11), 6, (1, 1, 5, 5, 1, 1, 1)),
        ((1, 6, 6, 200), (3, 3), 33, PLAIN),  # a kernel row in several stretches
    ],
)
def test_products_by_lists_of_every_kind(dtype, shape, kernel, filters, geometry):
    check(*case(dtype, shape, kernel, filters, geometry, 0.25, 3), geometry)


def test_the_weights_gradient_has_the_bits_of_the_product_it_stands_for():
    x, w, d = case(np.float32, *LENET, 0.25, 5)
    many = d + 1  # all of these are not zero
    for gradient in (d, many):
        plain, listed = np.empty_like(w), np.empty_like(w)
        sink = (STORE, plain, plain, w), (STORE, listed, listed, w)
        run(conv2d._weight_correlation(x, gradient, PLAIN, *sink[0]))
        run(sparse_correlation.weight_gradient(x, gradient, PLAIN, *sink[1]))
        np.testing.assert_array_equal(listed, plain)


def test_no_bit_depends_on_the_threads(threads):
    x, w, d = case(np.float32, (8, 12, 12, 20), (5, 5), 50, PLAIN, 0.25, 6)
    found = []
    for count in (1, 2, 3):
        threads(count)
        dx, dw = np.empty_like(x), np.empty_like(w)
        conv2d.input_gradient(d, w, PLAIN, dx)
        conv2d.weight_gradient(x, d, PLAIN, STORE, dw, dw, w)
        found.append((dx.tobytes(), dw.tobytes()))
    assert found[0] == found[1] == found[2]


def test_the_numbers_decide():
    """0 · ∞ shows which way a product has taken; a plan once made asks anew."""
    x, w, d = case(np.float32, *LENET, 1, 7)
    x[...], w[...] = np.inf, np.inf
    dx, dw = np.empty_like(x), np.empty_like(w)
    plans = conv2d.input_gradient.plan(d, w, PLAIN, dx), conv2d.weight_gradient.plan(x, d, PLAIN, STORE, dw, dw, w)
    assert all(isinstance(plan[0], Choice) for plan in plans)
    for share, missing in ((0.2, False), (1.0, True), (0.0, False)):
        d[...] = few_of(np.ones_like(d), share, 8)
        d[0, 0, 0, 0] = 0
        for plan, result in zip(plans, (dx, dw), strict=True):
            run(plan)
            assert np.isnan(result).any() == missing


def test_dense_products_and_winograds_take_no_lists():
    for kernel, padding in ((1, 0), (3, 1)):
        x, w, d = random(9, np.float32, (2, 6, 6, 128), (kernel, kernel, 128, 40), (2, 6, 6, 40))
        geometry = (1, 1, padding, padding, 1, 1, 1)
        plans = (
            conv2d.input_gradient.plan(d, w, geometry, x),
            conv2d.weight_gradient.plan(x, d, geometry, STORE, w, w, w),
        )
        assert not any(isinstance(launch, Choice) for plan in plans for launch in plan)


def test_lists_are_for_large_filters_and_small_images():
    suits = sparse_correlation.suits
    out = (3, 8, 8, 50)
    assert suits((5, 5, 20, 50), (3, 12, 12, 20), out, PLAIN)
    assert not suits((5, 5, 1, 50), (3, 12, 12, 1), out, PLAIN)
    assert not suits((5, 5, 20, 50), (3, 200, 200, 20), (3, 196, 196, 50), PLAIN)
    assert not suits((5, 5, 20, 50), (3, 12, 12, 40), out, (1, 1, 0, 0, 1, 1, 2))
