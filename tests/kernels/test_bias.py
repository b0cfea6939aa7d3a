"""Slopes and column sums in one pass, against the two by themselves."""

import numba
import numpy as np
import pytest

from dlcli.kernels import activation, bias
from dlcli.kernels.activation import CODES, LINEAR
from dlcli.kernels.sink import STORE
from tests.kernels.naive import agree
from tests.kernels.test_products import check_sinks, random

NO_CONSTANTS = np.zeros(3, np.float32)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(1, 1), (3, 37), (64, 10), (999, 20), (40, 3000), (2, 40_000)])
def test_column_sums_of_every_shape(shape, dtype):
    d, w, v = random(1, dtype, shape, shape[1], shape[1])
    before = d.copy()
    check_sinks(lambda *sink: bias.backward(LINEAR, d, d, *sink), d.astype(np.float64).sum(0), w, v)
    assert d.tobytes() == before.tobytes()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("function", CODES)
def test_slopes_are_those_of_the_activation(function, dtype):
    y, d = (np.abs(array) for array in random(2, dtype, (300, 130), (300, 130)))
    slopes, sums = np.empty_like(d), np.empty(130, dtype)
    activation.backward(CODES[function], y, d, slopes)
    bias.backward(CODES[function], y, d, STORE, sums, sums, NO_CONSTANTS.astype(dtype))
    assert d.tobytes() == slopes.tobytes()
    agree(sums, slopes.astype(np.float64).sum(0))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("function", CODES)
def test_parts_of_larger_arrays_have_the_same_bits(function, dtype):
    y, d = (np.abs(array) for array in random(5, dtype, (300, 50), (300, 50)))
    whole_y, whole_d = (np.full((300, 57), np.nan, dtype) for _ in range(2))
    y_part, d_part = whole_y[:, 3:53], whole_d[:, 7:]
    y_part[:], d_part[:] = y, d
    before = whole_d.tobytes()
    sums, part_sums, none = np.empty(50, dtype), np.empty(50, dtype), NO_CONSTANTS.astype(dtype)
    slopes, out = np.full_like(d, np.nan), np.full_like(d, np.nan)
    activation.backward_rows(CODES[function], y_part, d_part, slopes)
    bias.backward(CODES[function], y_part, d_part, STORE, part_sums, part_sums, none, out)
    assert whole_d.tobytes() == before
    bias.backward(CODES[function], y, d, STORE, sums, sums, none)
    assert d.tobytes() == out.tobytes() == slopes.tobytes()
    assert sums.tobytes() == part_sums.tobytes()


def test_the_same_bits_on_any_number_of_threads():
    results = []
    before = numba.get_num_threads()
    try:
        for threads in (1, 2, 3):
            numba.set_num_threads(threads)
            y, d = random(3, np.float32, (5000, 50), (5000, 50))
            sums = np.empty(50, np.float32)
            bias.backward(CODES["tanh"], y, d, STORE, sums, sums, NO_CONSTANTS)
            results.append(d.tobytes() + sums.tobytes())
    finally:
        numba.set_num_threads(before)
    assert len(set(results)) == 1
