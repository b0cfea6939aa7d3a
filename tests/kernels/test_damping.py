"""Damped steps, by their formula."""

import numpy as np
import pytest

from dlcli.kernels.damping import approach


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("units", "count"), [(7, 3), (4, 4), (40, 33)])
def test_the_last_columns_go_a_part_of_the_way(units, count, dtype):
    rng = np.random.default_rng(0)
    s, asked = rng.random((5, units)).astype(dtype), rng.random((5, count)).astype(dtype)
    expected = s.copy()
    expected[:, units - count :] = 0.75 * s[:, units - count :] + 0.25 * asked
    approach(s, asked, 0.25)
    np.testing.assert_allclose(s, expected, rtol=1e-6)


def test_threads_change_nothing(threads):
    found = []
    for count in (1, 3):
        threads(count)
        s, asked = np.linspace(0, 1, 200 * 400, dtype=np.float32).reshape(200, 400), np.ones((200, 300), np.float32)
        approach(s, asked, 0.3)
        found.append(s)
    np.testing.assert_array_equal(*found)
