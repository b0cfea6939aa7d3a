"""Products of which the left operand is mostly zeros: the tile's bits, by way of lists."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlcli.kernels import dense, sparse
from dlcli.kernels.activation import LINEAR, RELU
from dlcli.kernels.launch import Kernel, Launch
from dlcli.kernels.sink import ADD, BEGIN, STORE, UPDATE
from tests.kernels.naive import agree
from tests.kernels.test_products import check_sinks, few_of, random

NARROW = sparse.COLUMNS - 1  # so few columns are always the tile's
dtypes = st.sampled_from([np.float32, np.float64])


def by_tile(product, columns, *matrices):
    """A product made of ones with few columns: ``product(*columns of each matrix)``."""
    parts = [
        product(*(np.ascontiguousarray(matrix[..., first : first + NARROW]) for matrix in matrices))
        for first in range(0, columns, NARROW)
    ]
    return np.concatenate(parts, axis=-1)


def forward(x, w, b):
    y = np.full((len(x), w.shape[1]), np.nan, x.dtype)
    dense.forward(x, w, b, RELU, y)
    return y


def transposed(x, w, b):
    """w (units, inputs): x · wᵀ."""
    y = np.full((len(x), len(w)), np.nan, x.dtype)
    dense.forward_transposed(x, w, b, LINEAR, y)
    return y


def gradient(x, d, kind, w, v, constants):
    target, velocity = w.copy(), v.copy()
    dense.weight_gradient(x, d, kind, target, velocity, constants)
    return np.stack([target, velocity])


@settings(max_examples=60, deadline=None)
@given(
    dtypes, st.integers(1, 150), st.integers(1, 700), st.integers(sparse.COLUMNS, 300), st.floats(0, 0.5),
    st.integers(0, 99),
)  # fmt: skip
def test_the_bits_are_the_tiles(dtype, rows, inputs, units, share, seed):
    x, w, v, b, d = random(seed, dtype, (rows, inputs), (inputs, units), (inputs, units), units, (rows, units))
    x = few_of(x, share, seed)
    np.testing.assert_array_equal(forward(x, w, b), by_tile(lambda *part: forward(x, *part), units, w, b))
    turned = by_tile(lambda part, bias: transposed(x, part.T.copy(), bias), units, w, b)
    np.testing.assert_array_equal(transposed(x, w.T.copy(), b), turned)
    constants = np.array((0.1, 0.9, 0.01), dtype)
    for kind in (STORE, ADD, UPDATE, BEGIN):
        found = gradient(x, d, kind, w, v, constants)
        expected = by_tile(lambda d, w, v, kind=kind: gradient(x, d, kind, w, v, constants), units, d, w, v)
        np.testing.assert_array_equal(found, expected)


@settings(max_examples=30, deadline=None)
@given(dtypes, st.integers(1, sparse.FEW + 1), st.integers(1, 700), st.integers(1, 1200), st.floats(0, 1))
def test_few_rows_read_the_weights_in_place_with_the_tiles_bits(dtype, rows, inputs, units, share):
    x, w, b = random(1, dtype, (rows, inputs), (inputs, units), units)
    x = few_of(x, share, 2)
    np.testing.assert_array_equal(forward(x, w, b), by_tile(lambda *part: forward(x, *part), units, w, b))
    agree(forward(x, w, b), np.maximum(x.astype(np.float64) @ w + b, 0))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("share", [0, 0.03, 0.2, 0.44])
def test_products_of_few_numbers(dtype, share):
    x, w, v, b, d = random(1, dtype, (130, 333), (333, 200), (333, 200), 200, (130, 200))
    x = few_of(x, share, 2)
    wide_x, wide_w, wide_d = (array.astype(np.float64) for array in (x, w, d))
    agree(forward(x, w, b), np.maximum(wide_x @ wide_w + b, 0))
    check_sinks(lambda *sink: dense.weight_gradient(x, d, *sink), wide_x.T @ wide_d, w, v)


def test_zeros_are_skipped_where_there_are_many_and_nowhere_else():
    """0 · ∞ shows which way a product has taken."""
    w = np.full((100, 100), np.inf, np.float32)
    for share, finite in ((0.0, True), (1.0, False)):
        x = few_of(np.ones((20, 100), np.float32), share, 3)
        x[:, 0] = 0
        assert np.isfinite(forward(x, w, np.zeros(100, np.float32))).all() == finite


def test_what_is_not_a_number_is_no_zero():
    x = np.zeros((20, 100), np.float32)
    x[3, 99] = np.nan
    x[4, 1] = -0.0
    y = forward(x, np.ones((100, 100), np.float32), np.ones(100, np.float32))
    assert np.isnan(y[3]).all()
    assert (np.delete(y, 3, axis=0) == 1).all()


def _listing(p, first, last, shared, scratch):
    size, rows, depth = p[1], p[2], p[3]
    for _ in range(first, last):
        p[8] = sparse.pays(scratch, size, p[0], rows, depth, p[4], p[5])
        if p[8]:
            sparse.list_rows(scratch, size, p[0], rows, depth, p[4], p[5], sparse.PANEL, p[6], p[7])


LISTING = Kernel(_listing)


@settings(max_examples=40, deadline=None)
@given(dtypes, st.integers(1, 40), st.integers(1, 90), st.booleans(), st.floats(0, 0.45), st.integers(0, 99))
def test_lists_name_what_is_not_zero(dtype, rows, depth, turned, share, seed):
    a = few_of(random(seed, dtype, (rows, depth))[0], share, seed)
    stored = np.ascontiguousarray(a.T) if turned else a
    size, room = a.itemsize, sparse.capacity(rows, depth)
    lists = np.full((rows + 1 + 2 * room) * 8, 255, np.uint8)
    steps = (1, rows) if turned else (depth, 1)
    space = np.empty(sparse.TURNED * depth, dtype)
    launch = Launch(LISTING, dtype, 1, (stored, size, rows, depth, *steps, lists, space, -1))
    launch.run()
    if np.all(lists == 255):  # more numbers, or in the lines that are looked at first
        assert rows > sparse.FEW
        line = stored[:: sparse.SAMPLE]
        assert max(np.count_nonzero(a) / a.size, np.count_nonzero(line) / line.size) > sparse.MOST
        return
    assert rows <= sparse.FEW or np.count_nonzero(a) <= sparse.MOST * a.size
    starts = lists[: 8 * (rows + 1)].view(np.int64)
    places = lists[8 * (rows + 1) :][: 4 * room].view(np.int32)
    values = lists[8 * (rows + 1) + 4 * room :][: size * room].view(dtype)
    for m in range(rows):
        own = slice(starts[m], starts[m + 1])
        np.testing.assert_array_equal(places[own] // sparse.PANEL, np.flatnonzero(a[m]))
        np.testing.assert_array_equal(values[own], a[m][a[m] != 0])
