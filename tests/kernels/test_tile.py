"""The tile, its twin and the panels against plain loops, over randomised shapes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from dlcli.kernels import tile as tiles
from dlcli.kernels.panel import pack, pack_transposed
from dlcli.kernels.sink import UPDATE, settle, update_rows
from dlcli.kernels.tile import PANEL

GUARD = 77.0
dtypes = st.sampled_from([np.float32, np.float64])


@njit
def run(tile, rows, width, a, a_row, a_k, runs, depth, offsets, b, init, init_row, out):
    tiles.call(
        tile, rows, width, a.ctypes.data, a_row, a_k, runs, depth, offsets.ctypes.data, b.ctypes.data,
        init.ctypes.data, init_row, out.ctypes.data, out.shape[1],
    )  # fmt: skip


@st.composite
def tile_cases(draw):
    dtype = draw(dtypes)
    itemsize, width = np.dtype(dtype).itemsize, draw(st.integers(1, PANEL))
    return {
        "dtype": dtype,
        "rows": draw(st.integers(1, tiles.row_limit(itemsize, width))),
        "width": width,
        "runs": draw(st.integers(1, 4)),
        "depth": draw(st.integers(1, 20)),
        "by_rows": draw(st.booleans()),
        "seed": draw(st.integers(0, 2**32 - 1)),
    }


def tile_arrays(case):
    rng = np.random.default_rng(case["seed"])
    dtype, rows, runs, depth = (case[key] for key in ("dtype", "rows", "runs", "depth"))
    a = rng.uniform(-1, 1, (rows + 3, 200)).astype(dtype)
    a_row, a_k = (200, 1) if case["by_rows"] else (1, 13)
    span = 200 - depth if case["by_rows"] else 13
    offsets = np.stack([rng.integers(0, span, runs), rng.permutation(runs) * depth * PANEL], 1).astype(np.int64)
    b = rng.uniform(-1, 1, (runs * depth, PANEL)).astype(dtype)
    init = rng.uniform(-1, 1, (rows, PANEL)).astype(dtype)
    out = np.full((rows + 1, PANEL + 1), GUARD, dtype)
    return a, a_row, a_k, offsets, b, init, out


def naive_tile(case, a, a_row, a_k, offsets, b, init):
    flat, total = a.reshape(-1).astype(np.float64), init[:, : case["width"]].astype(np.float64)
    for i, j in offsets:
        for k in range(case["depth"]):
            step = b[j // PANEL + k, : case["width"]].astype(np.float64)
            for m in range(case["rows"]):
                total[m] += flat[i + m * a_row + k * a_k] * step
    return total


@settings(max_examples=150, deadline=None)
@given(tile_cases())
def test_tile_is_the_sum_it_states_and_writes_nothing_else(case):
    a, a_row, a_k, offsets, b, init, out = tile_arrays(case)
    tile = tiles.address(out.itemsize)
    rows, width = case["rows"], case["width"]
    run(tile, rows, width, a, a_row, a_k, case["runs"], case["depth"], offsets, b, init, PANEL, out)
    tolerance = 1e-5 if out.itemsize == 4 else 1e-13
    np.testing.assert_allclose(out[:rows, :width], naive_tile(case, a, a_row, a_k, offsets, b, init), 0, tolerance)
    assert (out[rows:] == GUARD).all()
    assert (out[:, width:] == GUARD).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_twin_is_the_tile_and_sums_may_be_continued(dtype):
    itemsize = np.dtype(dtype).itemsize
    rows, width = tiles.row_limit(itemsize), PANEL - 3
    case = {"dtype": dtype, "rows": rows, "width": width, "runs": 3, "depth": 9, "by_rows": True, "seed": 5}
    a, a_row, a_k, offsets, b, init, whole = tile_arrays(case)
    halves, by_twin = whole.copy(), whole.copy()
    tile = tiles.address(itemsize)
    run(tile, rows, width, a, a_row, a_k, 3, 9, offsets, b, init, PANEL, whole)
    run(tile, rows, width, a, a_row, a_k, 1, 9, offsets[:1], b, init, PANEL, halves)
    run(tile, rows, width, a, a_row, a_k, 2, 9, offsets[1:], b, halves, halves.shape[1], halves)
    np.testing.assert_array_equal(halves, whole)
    tiles.twin(
        itemsize, rows, width, a.ctypes.data, a_row, a_k, 3, 9, offsets.ctypes.data, b.ctypes.data,
        init.ctypes.data, PANEL, by_twin.ctypes.data, by_twin.shape[1],
    )  # fmt: skip
    if itemsize == 4:
        np.testing.assert_array_equal(by_twin, whole)
    np.testing.assert_allclose(by_twin, whole, 1e-12)


@settings(max_examples=100, deadline=None)
@given(dtypes, st.integers(1, 50), st.integers(1, PANEL), st.integers(0, 5), st.integers(0, 9))
def test_panels_hold_the_operand_and_zeros(dtype, depth, width, i, j):
    source = np.arange(100 * 90, dtype=dtype).reshape(100, 90)
    for transposed in (False, True):
        out = np.full((depth + 2) * PANEL, GUARD, dtype)
        (pack_transposed if transposed else pack)(source, i, j, depth, width, out, PANEL)
        panel = out.reshape(-1, PANEL)
        block = source[i : i + width, j : j + depth].T if transposed else source[i : i + depth, j : j + width]
        np.testing.assert_array_equal(panel[1:-1, :width], block)
        assert (panel[1:-1, width:] == 0).all()
        assert (panel[[0, -1]] == GUARD).all()


@njit
def update_block(g, w, v, width, constants):
    real = w.dtype.type
    update_rows(
        w.shape[0], width, g.ctypes.data, g.shape[1], w.ctypes.data, v.ctypes.data, w.shape[1],
        real(constants[0]), real(constants[1]), real(constants[2]),
    )  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(dtypes, st.integers(1, 5), st.integers(1, 70))
def test_update_of_a_block_is_equation_4_bit_for_bit(dtype, rows, width):
    rng = np.random.default_rng(width)
    g, w, v = (rng.uniform(-1, 1, (rows, 75)).astype(dtype) for _ in range(3))
    constants = np.array([0.1, 0.9, 0.01])
    expected_w, expected_v = w.copy(), v.copy()
    for row in range(rows):
        settle(UPDATE, g[row, :width], expected_w[row, :width], expected_v[row, :width], constants.astype(dtype))
    update_block(g, w, v, width, constants)
    np.testing.assert_array_equal(w, expected_w)
    np.testing.assert_array_equal(v, expected_v)
