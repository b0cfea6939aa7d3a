"""Sums in strands, bit for bit: where each number goes, and in which order the strands are added."""

import numpy as np
import pytest

from dlcli.kernels.addresses import array
from dlcli.kernels.launch import Kernel, Launch
from dlcli.kernels.strands import dot, sum_of


def _both(p, first, last, shared, scratch):
    out = array(p[2], 2, scratch)
    out[0], out[1] = sum_of(p[0], p[3], scratch), dot(p[0], p[1], p[3], scratch)


BOTH = Kernel(_both)


def in_strands(numbers):
    strands = [numbers.dtype.type(0)] * 16
    for i, value in enumerate(numbers):
        strands[i % 16] = strands[i % 16] + value
    for half in (8, 4, 2, 1):
        strands = [strands[i] + strands[i + half] for i in range(half)]
    return strands[0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [1, 7, 16, 17, 100, 321])
def test_sums_and_products(size, dtype):
    a, b = np.random.default_rng(size).normal(size=(2, size)).astype(dtype)
    out = np.full(2, np.nan, dtype)
    Launch(BOTH, dtype, 1, (a, b, out, size)).run()
    assert out.tolist() == [in_strands(a), in_strands(a * b)]
