"""Matrices put together and taken apart: many rows, in many tasks, and rows longer than a task."""

import numpy as np
import pytest

from dlcli.kernels import joining
from tests.layers.case import spread


@pytest.mark.parametrize("widths", [(2, 3), (1, 64, 33, 8), (1, joining.PIECE + 5), (1,)])
@pytest.mark.parametrize("rows", [1, 7, 1500])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_columns_together_and_apart(widths, rows, dtype):
    starts = np.cumsum([0, *widths]).tolist()
    parts = [spread((rows, width), place).astype(dtype) for place, width in enumerate(widths)]
    whole = np.full((rows, starts[-1]), np.nan, dtype)
    joining.columns([(part, 0, whole, start, part.shape[1]) for part, start in zip(parts, starts, strict=False)])
    assert (whole == np.concatenate(parts, axis=1)).all()
    apart = [np.full_like(part, np.nan) for part in parts]
    moves = [(whole, start, part, 0, part.shape[1]) for part, start in zip(apart, starts, strict=False)]
    joining.columns(moves[1:])  # the others stay as they are
    assert np.isnan(apart[0]).all()
    assert all((one == other).all() for one, other in zip(apart[1:], parts[1:], strict=True))
