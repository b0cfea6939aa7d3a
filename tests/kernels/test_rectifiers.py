"""Maxout in many tasks: its places, the first of equals, NaN."""

import numpy as np
import pytest

from dlcli.kernels import rectifiers
from tests.layers.case import spread


@pytest.mark.parametrize("pieces", [2, 3, 7, 256])
@pytest.mark.parametrize("outputs", [1, 37, 2 * rectifiers.PIECE + 100])
def test_the_largest_and_its_place(pieces, outputs):
    x = np.round(spread((outputs, pieces), 1, -4, 4)).astype(np.float32)  # with equals
    x[outputs // 2, pieces - 1] = np.nan
    y, winners = np.full(outputs, np.nan, np.float32), np.full(outputs, 255, np.uint8)
    rectifiers.largest(x.reshape(-1), pieces, y, winners)
    assert np.array_equal(y, x.max(axis=1), equal_nan=True)
    assert (winners == x.argmax(axis=1)).all()  # NumPy's is the first of equals, too
    dy, dx = spread((outputs,), 2).astype(np.float32), np.full_like(x, np.nan)
    rectifiers.to_winners(dy, winners, pieces, dx.reshape(-1))
    expected = np.zeros_like(x)
    expected[np.arange(outputs), winners] = dy
    assert (dx == expected).all()
