"""Dense and convolution products against naive loops, over randomised shapes and geometries."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlcli.kernels import conv2d, dense, weight_correlation, winograd
from dlcli.kernels.activation import LINEAR, RELU
from dlcli.kernels.sink import ADD, STORE, UPDATE
from tests.kernels import naive
from tests.kernels.naive import agree

CONSTANTS = (0.1, 0.9, 0.01)
dtypes = st.sampled_from([np.float32, np.float64])


def random(seed, dtype, *shapes):
    rng = np.random.default_rng(seed)
    return [rng.uniform(-0.5, 0.5, shape).astype(dtype) for shape in shapes]


def few_of(array, share, seed):
    """The array, zero but for about a share of its numbers."""
    kept = np.random.default_rng(seed).random(array.shape) < share
    return array * kept.astype(array.dtype)


def check_sinks(gradient, expected, w, v):
    """``gradient(kind, target, velocity, constants)`` through all three sinks."""
    constants = np.array(CONSTANTS, w.dtype)
    stored = np.full_like(w, np.nan)
    gradient(STORE, stored, stored, constants)
    agree(stored, expected)
    added = w.copy()
    gradient(ADD, added, added, constants)
    agree(added, expected + w)
    updated, velocity = w.copy(), v.copy()
    gradient(UPDATE, updated, velocity, constants)
    rate, momentum, decay = constants
    change = momentum * v - rate * (stored + decay * w)
    np.testing.assert_array_equal(velocity, change)
    np.testing.assert_array_equal(updated, w + change)


def check_place_apart(forward, y):
    """``forward(y)`` into a part of a larger array: the same bits, and nothing beside them."""
    columns = y.shape[-1]
    whole = np.full((*y.shape[:-1], 3 + columns + 2), np.nan, y.dtype)
    forward(whole[..., 3 : 3 + columns])
    assert whole[..., 3 : 3 + columns].tobytes() == y.tobytes()
    assert np.isnan(whole[..., :3]).all()
    assert np.isnan(whole[..., 3 + columns :]).all()


@settings(max_examples=40, deadline=None)
@given(dtypes, st.integers(1, 150), st.integers(1, 600), st.integers(1, 150), st.integers(0, 99))
def test_dense_products(dtype, rows, inputs, units, seed):
    x, w, v, b, c, d = random(
        seed, dtype, (rows, inputs), (inputs, units), (inputs, units), units, inputs, (rows, units)
    )
    wide_x, wide_w, wide_d = (array.astype(np.float64) for array in (x, w, d))
    y, dx = np.empty_like(d), np.empty_like(x)
    dense.forward(x, w, b, RELU, y)
    agree(y, np.maximum(wide_x @ wide_w + b, 0))
    check_place_apart(lambda y: dense.forward(x, w, b, RELU, y), y)
    dense.forward_transposed(d, w, c, LINEAR, dx)
    agree(dx, wide_d @ wide_w.T + c)
    dense.input_gradient(d, w, dx)
    agree(dx, wide_d @ wide_w.T)
    check_sinks(lambda *sink: dense.weight_gradient(x, d, *sink), wide_x.T @ wide_d, w, v)
    check_sinks(lambda *sink: dense.column_sums(d, *sink), wide_d.sum(0), b, v[0])


def check_convolution(dtype, shape, kernel, filters, geometry, trailing, seed):
    stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w, groups = geometry
    images, height, width, channels = shape
    out_height = (height + 2 * pad_h + trailing - (kernel[0] - 1) * dilation_h - 1) // stride_h + 1
    out_width = (width + 2 * pad_w + trailing - (kernel[1] - 1) * dilation_w - 1) // stride_w + 1
    if out_height < 1 or out_width < 1:
        return
    weights = (*kernel, channels // groups, filters)
    x, w, v, b, d = random(seed, dtype, shape, weights, weights, filters, (images, out_height, out_width, filters))
    y, dx, dw = naive.correlation(*(array.astype(np.float64) for array in (x, w, d)), geometry)
    found, found_dx = np.full_like(d, np.nan), np.full_like(x, np.nan)
    conv2d.forward(x, w, b, geometry, RELU, found)
    agree(found, np.maximum(y + b, 0))
    check_place_apart(lambda y: conv2d.forward(x, w, b, geometry, RELU, y), found)
    conv2d.input_gradient(d, w, geometry, found_dx)
    agree(found_dx, dx)
    (c,) = random(seed + 1, dtype, channels)
    conv2d.transposed(d, w, c, geometry, RELU, found_dx)
    agree(found_dx, np.maximum(dx + c, 0))
    check_sinks(lambda *sink: conv2d.weight_gradient(x, d, geometry, *sink), dw, w, v)


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_convolution_products(data):
    def draw(low, high):
        return data.draw(st.integers(low, high))

    groups, kernel = draw(1, 3), (draw(1, 4), draw(1, 4))
    geometry = (draw(1, 3), draw(1, 3), draw(0, kernel[0] - 1), draw(0, kernel[1] - 1), draw(1, 2), draw(1, 2), groups)
    shape = (draw(1, 4), draw(1, 18), draw(1, 18), groups * draw(1, 20))
    check_convolution(data.draw(dtypes), shape, kernel, groups * draw(1, 40), geometry, draw(0, 1), draw(0, 99))


@pytest.mark.parametrize(
    ("shape", "kernel", "filters", "geometry"),
    [
        ((3, 28, 28, 1), (5, 5), 20, (1, 1, 0, 0, 1, 1, 1)),  # LeNet: in place, runs of 5
        ((3, 12, 12, 20), (5, 5), 50, (1, 1, 0, 0, 1, 1, 1)),  # its gradient is cut at the padding
        ((2, 32, 32, 3), (5, 5), 32, (1, 1, 2, 2, 1, 1, 1)),  # few channels, with padding
        ((3, 8, 8, 32), (5, 5), 64, (1, 1, 2, 2, 1, 1, 1)),  # narrow: cut into kernel columns
        ((2, 39, 39, 3), (11, 11), 96, (4, 4, 0, 0, 1, 1, 1)),  # AlexNet's first
        ((2, 9, 9, 16), (3, 3), 32, (1, 1, 1, 1, 1, 1, 2)),  # groups
        ((1, 6, 6, 500), (3, 3), 40, (1, 1, 1, 1, 1, 1, 1)),  # the sum in chunks
        ((1, 40, 70, 24), (3, 3), 33, (2, 1, 1, 1, 1, 1, 1)),  # several bands to an image
        ((20, 3, 3, 7), (1, 1), 5, (1, 1, 0, 0, 1, 1, 1)),  # dense over positions
        ((3, 7, 7, 7), (1, 1), 5, (2, 2, 0, 0, 1, 1, 1)),  # phases without a tap
        ((2, 2, 2, 20), (5, 5), 12, (1, 1, 2, 2, 1, 1, 1)),  # taps that never meet the image
        ((2, 5, 1, 16), (3, 3), 70, (1, 1, 1, 1, 1, 1, 1)),
        ((2, 1, 4, 5), (2, 2), 6, (2, 1, 1, 0, 2, 1, 1)),  # rows that no output reads
        ((2, 4, 1, 5), (2, 2), 6, (1, 2, 0, 1, 1, 2, 1)),  # columns that no output reads
        ((2, 1, 1, 5), (2, 2), 6, (2, 2, 1, 1, 2, 2, 1)),
        ((2, 8, 8, 32), (3, 3), 32, (1, 1, 1, 1, 1, 1, 1)),  # from here on Winograd's
        ((2, 9, 7, 40), (3, 3), 50, (1, 1, 1, 1, 1, 1, 1)),  # odd sides, columns off the panel
        ((3, 7, 7, 64), (3, 3), 72, (1, 1, 0, 0, 1, 1, 2)),
        ((1, 5, 6, 33), (3, 3), 34, (1, 1, 2, 2, 1, 1, 1)),
        ((5, 14, 13, 320), (3, 3), 48, (1, 1, 1, 1, 1, 1, 1)),  # the sum in chunks, several blocks
        ((1, 1, 1, 32), (3, 3), 32, (1, 1, 1, 1, 1, 1, 1)),
        ((2, 6, 6, 32), (3, 3), 100, (1, 1, 0, 1, 1, 1, 1)),
        ((1, 68, 64, 32), (3, 3), 33, (1, 1, 1, 1, 1, 1, 1)),  # several blocks of the weights' gradient
        ((2, 9, 11, 40), (5, 5), 70, (1, 1, 2, 2, 1, 1, 1)),
        ((1, 12, 14, 64), (5, 5), 66, (1, 1, 0, 4, 1, 1, 2)),
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_convolution_of_every_kind(dtype, shape, kernel, filters, geometry):
    check_convolution(dtype, shape, kernel, filters, geometry, 0, 3)


def all_products(images):
    """Every product at a size that takes the threads, for the first ``images`` of twelve."""
    x, w, b, d = (
        random(1, np.float32, (12, 14, 13, 24))[0][:images], *random(2, np.float32, (3, 3, 24, 40), 40),
        random(3, np.float32, (12, 14, 13, 40))[0][:images],
    )  # fmt: skip
    geometry = (1, 1, 1, 1, 1, 1, 1)
    y, dx, dw = np.empty_like(d), np.empty_like(x), np.empty_like(w)
    conv2d.forward(x, w, b, geometry, RELU, y)
    conv2d.input_gradient(d, w, geometry, dx)
    conv2d.weight_gradient(x, d, geometry, STORE, dw, dw, b)
    rows, matrix = x.reshape(images, -1), random(4, np.float32, (14 * 13 * 24, 50))[0]
    flat_y, flat_dx, flat_dw = np.empty((images, 50), np.float32), np.empty_like(rows), np.empty_like(matrix)
    sums = np.empty(40, np.float32)
    dense.forward(rows, matrix, np.ones(50, np.float32), RELU, flat_y)
    dense.input_gradient(flat_y, matrix, flat_dx)
    dense.weight_gradient(rows, flat_y, STORE, flat_dw, flat_dw, b)
    dense.column_sums(d.reshape(-1, 40), STORE, sums, sums, b)
    x, w, d = (
        random(5, np.float32, (12, 9, 8, 40))[0][:images], random(6, np.float32, (3, 3, 40, 33))[0],
        random(7, np.float32, (12, 9, 8, 33))[0][:images],
    )  # fmt: skip
    assert winograd.suits(w.shape, (9, 8), geometry)
    fast_y, fast_dx, fast_dw = np.empty_like(d), np.empty_like(x), np.empty_like(w)
    conv2d.forward(x, w, b, geometry, RELU, fast_y)
    conv2d.input_gradient(d, w, geometry, fast_dx)
    conv2d.weight_gradient(x, d, geometry, STORE, fast_dw, fast_dw, b)
    few, wide = few_of(random(8, np.float32, (12, 400))[0], 0.2, 9)[:images], random(10, np.float32, (400, 150))[0]
    listed_y, listed_dw = np.empty((images, 150), np.float32), np.empty_like(wide)
    dense.forward(few, wide, np.ones(150, np.float32), LINEAR, listed_y)
    dense.weight_gradient(few, listed_y, STORE, listed_dw, listed_dw, b)
    x, w, d = random(11, np.float32, (12, 8, 8, 20), (5, 5, 20, 24), (12, 4, 4, 24))
    x, d = x[:images], few_of(d, 0.2, 12)[:images]
    scattered_dx, scattered_dw = np.empty_like(x), np.empty_like(w)
    conv2d.input_gradient(d, w, (1, 1, 0, 0, 1, 1, 1), scattered_dx)
    conv2d.weight_gradient(x, d, (1, 1, 0, 0, 1, 1, 1), STORE, scattered_dw, scattered_dw, b)
    return {
        "per sample": (y, dx, flat_y, flat_dx, fast_y, fast_dx, listed_y, scattered_dx),
        "per batch": (dw, flat_dw, sums, fast_dw, listed_dw, scattered_dw),
    }


def test_threads_change_no_bit(threads):
    results = []
    for count in (1, 2, 3):
        threads(count)
        products = all_products(12)
        results.append([array.tobytes() for part in products.values() for array in part])
    assert results[0] == results[1] == results[2]


def test_few_tiles_of_the_weights_gradient_share_bands_alike(threads):
    x, w, d = random(13, np.float32, (6, 28, 28, 1), (5, 5, 1, 20), (6, 24, 24, 20))
    geometry, found = (1, 1, 0, 0, 1, 1, 1), []
    summing, gathering = conv2d.weight_gradient.plan(x, d, geometry, STORE, w, w, w)
    assert (summing.kernel, gathering.kernel) == (weight_correlation.UNITS, weight_correlation.GATHER)
    for count in (1, 2, 3):
        threads(count)
        dw = np.empty_like(w)
        conv2d.weight_gradient(x, d, geometry, STORE, dw, dw, w)
        found.append(dw.tobytes())
    assert found[0] == found[1] == found[2]


def test_a_sample_does_not_depend_on_its_batch(threads):
    threads(2)
    for whole, part in zip(all_products(12)["per sample"], all_products(5)["per sample"], strict=True):
        np.testing.assert_array_equal(whole[:5], part)


def test_winograd_is_taken_for_whole_steps_of_small_kernels_with_many_channels():
    plain, out = (1, 1, 1, 1, 1, 1, 1), (8, 8)
    assert winograd.suits((3, 3, 32, 32), out, plain)
    assert winograd.suits((3, 3, 32, 64), (1, 2), (1, 1, 0, 2, 1, 1, 2))
    assert winograd.suits((5, 5, 32, 32), out, (1, 1, 4, 0, 1, 1, 1))
    assert winograd.gradient_suits((3, 3, 32, 32), out, plain)
    assert not winograd.gradient_suits((5, 5, 32, 32), out, plain)
    for weights, geometry in (
        ((3, 3, 31, 64), plain), ((3, 3, 32, 31), plain), ((3, 5, 32, 32), plain), ((7, 7, 32, 32), plain),
        ((3, 3, 32, 32), (2, 1, *plain[2:])), ((3, 3, 32, 32), (1, 1, 3, 1, 1, 1, 1)),
        ((3, 3, 32, 32), (1, 1, 1, 1, 1, 2, 1)), ((3, 3, 32, 48), (1, 1, 1, 1, 1, 1, 2)),
    ):  # fmt: skip
        assert not winograd.suits(weights, out, geometry)
    assert not winograd.suits((5, 5, 32, 32), (8, 7), plain)


@pytest.mark.parametrize("kernel", [3, 5])
def test_winograd_is_as_right_as_float32_allows(kernel):
    """Many channels, and a batch: errors relative to the largest output, beside those of the sums themselves."""
    x, w, d = random(8, np.float32, (4, 14, 14, 320), (kernel, kernel, 320, 48), (4, 14, 14, 48))
    geometry = (1, 1, kernel // 2, kernel // 2, 1, 1, 1)
    assert winograd.suits(w.shape, (14, 14), geometry)
    y, dx, dw = np.empty_like(d), np.empty_like(x), np.empty_like(w)
    conv2d.forward(x, w, np.zeros(48, np.float32), geometry, LINEAR, y)
    conv2d.input_gradient(d, w, geometry, dx)
    conv2d.weight_gradient(x, d, geometry, STORE, dw, dw, w)
    wide = naive.correlation(*(array.astype(np.float64) for array in (x, w, d)), geometry)
    for found, expected in zip((y, dx, dw), wide, strict=True):
        assert np.abs(found - expected).max() < 1e-5 * np.abs(expected).max()
