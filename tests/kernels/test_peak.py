import numba
import numpy as np
import pytest

from dlcli.kernels import peak as peaks
from dlcli.kernels.launch import Launch
from dlcli.kernels.peak import DEPTH, RUNS, TILES, peak


def test_it_counts_the_tiles_that_run(monkeypatch):
    """The GFLOP/s are those of the multiply-adds that have left their sum in every output."""
    launches, outs = [], []
    run = Launch.run

    def spy(self):
        launches.append(self)
        outs.append(self._kept[-2])
        run(self)

    ticks = iter(range(1000))
    monkeypatch.setattr(Launch, "run", spy)
    monkeypatch.setattr(peaks.time, "perf_counter", lambda: float(next(ticks)))  # every run takes a second
    found = peak(1, seconds=0)
    out, runs = outs[0], len(launches)
    np.testing.assert_array_equal(out, np.float32(runs * TILES * RUNS * DEPTH))
    assert found == pytest.approx(2e-9 * out.size * TILES * RUNS * DEPTH)


def test_threads_are_as_before_afterwards():
    before = numba.get_num_threads()
    assert peak(2, seconds=0) > 0
    assert numba.get_num_threads() == before
