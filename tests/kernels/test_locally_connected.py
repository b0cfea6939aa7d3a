"""Products with unshared weights against naive loops, over randomised shapes and geometries."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlcli.kernels import locally_connected as kernels
from dlcli.kernels.activation import LINEAR, RELU
from dlcli.kernels.sink import STORE
from tests.kernels import naive
from tests.kernels.naive import agree
from tests.kernels.test_products import check_sinks, random

both_types = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def arrays(dtype, shape, kernel, filters, geometry, seed=0):
    """x, weights, velocities, bias and the output's gradient."""
    (images, height, width, channels), (stride_h, stride_w, pad_h, pad_w) = shape, geometry
    out = ((height + 2 * pad_h - kernel[0]) // stride_h + 1, (width + 2 * pad_w - kernel[1]) // stride_w + 1)
    weights = (*out, *kernel, channels, filters)
    return random(seed, dtype, shape, weights, weights, (*out, filters), (images, *out, filters))


def check(dtype, shape, kernel, filters, geometry, seed=0):
    x, w, v, b, d = arrays(dtype, shape, kernel, filters, geometry, seed)
    y, dx, dw = naive.local_products(*(array.astype(np.float64) for array in (x, w, d)), geometry)
    found, found_dx = np.full_like(d, np.nan), np.full_like(x, np.nan)
    kernels.forward(x, w, b, geometry, RELU, found)
    agree(found, np.maximum(y + b, 0))
    kernels.input_gradient(d, w, geometry, found_dx)
    agree(found_dx, dx)
    check_sinks(lambda *sink: kernels.weight_gradient(x, d, geometry, *sink), dw, w, v)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_products(data):
    def draw(low, high):
        return data.draw(st.integers(low, high))

    kernel = (draw(1, 4), draw(1, 4))
    geometry = (draw(1, 5), draw(1, 5), draw(0, kernel[0] - 1), draw(0, kernel[1] - 1))
    least = [max(1, kernel[axis] - 2 * geometry[2 + axis]) for axis in (0, 1)]
    shape = (draw(1, 40), draw(least[0], 9), draw(least[1], 9), draw(1, 40))
    check(data.draw(st.sampled_from([np.float32, np.float64])), shape, kernel, draw(1, 40), geometry, draw(0, 99))


@both_types
@pytest.mark.parametrize(
    ("shape", "kernel", "filters", "geometry"),
    [
        ((3, 16, 16, 1), (5, 5), 12, (2, 2, 2, 2)),  # LeCun's nets of 1989
        ((4, 8, 8, 12), (5, 5), 4, (1, 1, 0, 0)),
        ((30, 5, 4, 230), (3, 2), 7, (1, 1, 1, 1)),  # the forward sums in chunks of kernel rows, images in strips
        ((30, 5, 5, 3), (3, 3), 600, (1, 1, 0, 0)),  # the input gradient's too
        ((150, 3, 3, 5), (2, 2), 33, (1, 1, 0, 0)),  # several strips of images
        ((2, 9, 9, 2), (2, 2), 3, (4, 3, 0, 0)),  # pixels that no position reads
        ((1, 1, 1, 1), (1, 1), 1, (1, 1, 0, 0)),
        ((2, 1, 2, 3), (3, 3), 5, (1, 1, 2, 2)),  # positions that see one cell
    ],
)
def test_products_of_every_kind(dtype, shape, kernel, filters, geometry):
    check(dtype, shape, kernel, filters, geometry)


def products(images):
    """All products at a size that takes the threads, for the first ``images`` of twelve."""
    geometry = (1, 2, 1, 1)
    x, w, _, b, d = arrays(np.float32, (12, 9, 10, 20), (3, 3), 24, geometry)
    x, d = x[:images], d[:images]
    y, dx, dw = np.empty_like(d), np.empty_like(x), np.empty_like(w)
    kernels.forward(x, w, b, geometry, LINEAR, y)
    kernels.input_gradient(d, w, geometry, dx)
    kernels.weight_gradient(x, d, geometry, STORE, dw, dw, b)
    return y, dx, dw


def test_threads_change_no_bit(threads):
    results = []
    for count in (1, 2, 3):
        threads(count)
        results.append([array.tobytes() for array in products(12)])
    assert results[0] == results[1] == results[2]


def test_a_sample_does_not_depend_on_its_batch():
    for whole, part in zip(products(12)[:2], products(5)[:2], strict=True):
        np.testing.assert_array_equal(whole[:5], part)


def test_arrays_that_do_not_fit_are_refused():
    x, w, _, b, d = arrays(np.float32, (2, 5, 5, 2), (3, 3), 4, (1, 1, 0, 0))
    with pytest.raises(ValueError, match=r"weights of shape \(3, 3, 3, 3, 2, 3\)"):
        kernels.forward(x, w[..., :3], b, (1, 1, 0, 0), LINEAR, d)
    for geometry in ((1, 1, 3, 0), (2, 3, 0, 0)):
        with pytest.raises(ValueError, match="lies outside of 5 cells"):
            kernels.forward(x, w, b, geometry, LINEAR, d)
    with pytest.raises(ValueError, match="biases of shape"):
        kernels.forward(x, w, b[0], (1, 1, 0, 0), LINEAR, d)
