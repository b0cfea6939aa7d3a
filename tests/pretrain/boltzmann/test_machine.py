"""General Boltzmann machines of a few units: likelihoods and moments, against loops over all states."""

import math
import tracemalloc

import numpy as np
import pytest

from dlcli.pretrain.boltzmann import energy
from dlcli.pretrain.boltzmann.machine import (
    Enumeration,
    Machine,
    log_marginals,
    log_partition,
    posterior,
    visible_inputs,
)
from tests.pretrain.boltzmann.small import binary


def machine(visible, hidden, *, seed=0, scale=1.0, dtype=np.float32) -> Machine:
    rng, units = np.random.default_rng(seed), visible + hidden
    couplings = np.triu(scale * rng.normal(size=(units, units)), 1)
    return Machine((couplings + couplings.T).astype(dtype), rng.normal(size=units).astype(dtype), visible)


def weight(of: Machine, s) -> float:
    units = len(of.bias)
    pairs = sum(float(of.couplings[i, j]) * s[i] * s[j] for i in range(units) for j in range(i))
    return math.exp(pairs + sum(float(of.bias[i]) * s[i] for i in range(units)))


def naive_moments(weights: dict) -> tuple:
    """⟨s sᵀ⟩ without its diagonal and ⟨s⟩ of states with these weights."""
    total = sum(weights.values())
    second = sum(w / total * np.outer(s, s) for s, w in weights.items())
    return off_diagonal(second), sum(w / total * np.array(s) for s, w in weights.items())


def off_diagonal(matrix):
    return matrix - np.diag(np.diag(matrix))


MACHINES = [machine(3, 3), machine(4, 0), machine(2, 4, scale=2.0)]


@pytest.mark.parametrize("of", MACHINES)
def test_the_whole_distribution(of):
    weights = {s: weight(of, s) for s in binary(len(of.bias))}
    enumeration = Enumeration(of)
    log_z = enumeration.log_partition()
    assert log_z == log_partition(of) == pytest.approx(math.log(sum(weights.values())))
    second, first = naive_moments(weights)
    found = enumeration.moments(log_z)
    assert off_diagonal(found.second) == pytest.approx(second)
    assert found.first == pytest.approx(first)
    v = np.array(binary(of.visible))
    marginals = [sum(w for s, w in weights.items() if s[: of.visible] == tuple(row)) for row in v]
    assert np.exp(log_marginals(of, v)) == pytest.approx(np.array(marginals))


@pytest.mark.parametrize("of", MACHINES)
def test_moments_given_the_data(of):
    v = np.array(binary(of.visible))[[0, 1, 1, 3]]
    found, means, marginals = posterior(of, v)
    each = [naive_moments({(*row, *h): weight(of, (*row, *h)) for h in binary(of.hidden)}) for row in v]
    assert off_diagonal(found.second) == pytest.approx(np.mean([second for second, _ in each], axis=0))
    assert found.first == pytest.approx(np.mean([first for _, first in each], axis=0))
    assert means == pytest.approx(np.array([first[of.visible :] for _, first in each]))
    np.testing.assert_array_equal(marginals, log_marginals(of, v))


def test_an_enumeration_follows_its_machine_and_takes_no_more_memory():
    of, other = machine(10, 6), machine(10, 6, seed=1)
    enumeration = Enumeration(of)
    enumeration.moments(enumeration.log_partition())
    of.couplings[...], of.bias[...] = other.couplings, other.bias
    tracemalloc.start()
    try:
        log_z = enumeration.log_partition()
        found = enumeration.moments(log_z)
        rise = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert rise < 8 * 2**16 / 2  # half of what a number for each state takes
    assert log_z == log_partition(other)
    anew = Enumeration(other)
    np.testing.assert_array_equal(found.second, anew.moments(anew.log_partition()).second)


def test_visible_inputs():
    of, s = machine(3, 2), np.random.default_rng(1).random((6, 5), np.float32)
    np.testing.assert_allclose(visible_inputs(of, s), s @ of.couplings[:, :3] + of.bias[:3], rtol=1e-5)


def test_pieces_change_nothing(monkeypatch):
    of, v = machine(3, 4), np.array(binary(3))
    whole = [*posterior(of, v).moments, log_marginals(of, v)]
    monkeypatch.setattr(energy, "PIECE", 8 * 100)
    cut = [*posterior(of, v).moments, log_marginals(of, v)]
    for a, b in zip(whole, cut, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


def test_too_many_units_are_refused():
    with pytest.raises(ValueError, match="found 21 units"):
        log_partition(machine(19, 2))
    with pytest.raises(ValueError, match="found 21 units"):
        posterior(machine(2, 21), np.zeros((1, 2)))
