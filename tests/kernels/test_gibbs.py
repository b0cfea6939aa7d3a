"""Gibbs sweeps, against loops that read like the definition, and against the distribution that they should leave."""

import math

import numpy as np
import pytest

from dlcli.kernels.gibbs import sweeps
from dlcli.kernels.philox import bits


def machine(units, dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    couplings = rng.normal(size=(units, units))
    couplings = np.triu(couplings, 1)
    return (couplings + couplings.T).astype(dtype), rng.normal(size=units).astype(dtype)


def naive(key, time, couplings, bias, count, states):
    states = states.astype(np.float64)
    for sweep in range(count):
        words = np.empty(states.shape, np.uint32)
        bits(key, time + sweep, words)
        for n, s in enumerate(states):
            for i in range(len(s)):
                total = float(bias[i]) + sum(float(couplings[i, j]) * s[j] for j in range(len(s)) if j != i)
                s[i] = (words[n, i] + 0.5) / 2**32 < 1 / (1 + math.exp(-total))
    return states


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("units", [1, 4, 7])
def test_sweeps_are_what_they_are_called(dtype, units):
    couplings, bias = machine(units, dtype)
    start = np.random.default_rng(1).integers(0, 2, (9, units)).astype(dtype)
    states = start.copy()
    sweeps(77, np.array([5]), couplings, bias, 20, states)
    np.testing.assert_array_equal(states, naive(77, 5, couplings, bias, 20, start))


def test_sweeps_one_by_one_are_the_same():
    couplings, bias = machine(7, np.float32)
    whole, cut = np.zeros((5, 7), np.float32), np.zeros((5, 7), np.float32)
    sweeps(3, 10, couplings, bias, 4, whole)
    for time in range(10, 14):
        sweeps(3, time, couplings, bias, 1, cut)
    np.testing.assert_array_equal(whole, cut)


def test_threads_change_nothing(threads):
    couplings, bias = machine(20, np.float32)
    found = []
    for count in (1, 2, 3):
        threads(count)
        states = np.zeros((50, 20), np.float32)
        sweeps(3, 0, couplings, bias, 5, states)
        found.append(states)
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])


def test_chains_come_to_the_machines_distribution():
    couplings, bias = machine(4)
    states = np.zeros((5_000, 4))
    sweeps(1, 0, couplings, bias, 15, states)
    every = (np.arange(16)[:, None] >> np.arange(4)) & 1
    p = np.exp(0.5 * np.einsum("ni,ij,nj->n", every, couplings, every) + every @ bias)
    found = np.bincount((states @ [1, 2, 4, 8]).astype(int), minlength=16) / len(states)
    np.testing.assert_allclose(found, p / p.sum(), atol=0.02)


def test_certain_units_stay_finite():
    states = np.zeros((3, 2), np.float32)
    sweeps(1, 0, np.zeros((2, 2), np.float32), np.array([1e30, -1e30], np.float32), 2, states)
    np.testing.assert_array_equal(states, [[1, 0]] * 3)
