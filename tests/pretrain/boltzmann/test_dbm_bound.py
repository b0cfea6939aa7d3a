"""Deep Boltzmann machines of a few units: mean field and its bound, against sums over all states."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlcli.pretrain.boltzmann import ais, exact
from dlcli.pretrain.boltzmann.dbm import Dbm
from dlcli.pretrain.boltzmann.dbm_bound import bipartite, bound, iterates, mean_field
from tests.pretrain.boltzmann.small import binary
from tests.pretrain.boltzmann.sums import deep_log_likelihood


def dbm(*units, seed=0, scale=1.0) -> Dbm:
    rng = np.random.default_rng(seed)
    weights = tuple(scale * rng.normal(size=shape) for shape in itertools.pairwise(units))
    return Dbm(weights, tuple(scale * rng.normal(size=size) for size in units))


def naive_weights(of: Dbm) -> dict:
    """Σ over the hidden layers of e^{−E}, for every v."""
    total = dict.fromkeys(binary(len(of.biases[0])), 0.0)
    for state in itertools.product(*(binary(len(bias)) for bias in of.biases)):
        layers = [np.array(layer) for layer in state]
        exponent = sum(bias @ layer for bias, layer in zip(of.biases, layers, strict=True))
        exponent += sum(layers[i] @ weights @ layers[i + 1] for i, weights in enumerate(of.weights))
        total[state[0]] += math.exp(exponent)
    return total


@pytest.mark.parametrize("units", [(3, 2), (3, 2, 2), (2, 3, 2, 1), (2, 1, 2, 1, 2)])
def test_it_is_an_rbm_between_odd_and_even_layers(units):
    of = dbm(*units)
    weights = naive_weights(of)
    log_z = exact.log_partition(bipartite(of))
    assert log_z == pytest.approx(math.log(sum(weights.values())))
    if len(units) > 2:
        found = deep_log_likelihood(of, np.array(list(weights)), log_z)
        assert np.exp(found) == pytest.approx(np.array(list(weights.values())) / sum(weights.values()))


MACHINES = st.builds(
    lambda units, seed, scale: dbm(*units, seed=seed, scale=scale),
    st.lists(st.integers(1, 4), min_size=3, max_size=4),
    st.integers(0, 10_000),
    st.floats(0.1, 4),
)


@given(MACHINES)
def test_the_bound_is_never_above_the_likelihood_and_only_rises(of):
    v = np.array(binary(len(of.biases[0])))
    log_z = exact.log_partition(bipartite(of))
    truth = deep_log_likelihood(of, v, log_z)
    before = np.full(len(v), -np.inf)
    for found in iterates(of, v, 12):
        now = bound(of, v, found, log_z)
        assert np.all(now <= truth + 1e-9)
        assert np.all(now >= before - 1e-9)
        before = now


@given(MACHINES)
def test_the_residual_vanishes(of):
    v = np.array(binary(len(of.biases[0])))
    assert mean_field(of, v, 3000, 1e-8).residual <= 1e-8


def test_the_bound_is_the_expected_energy_and_the_entropy():
    of, v = dbm(3, 2, 2), np.array([[1, 0, 1]])
    found = mean_field(of, v, 2)
    total = 0.0
    for h1, h2 in itertools.product(binary(2), binary(2)):
        q = math.prod(
            m if h else 1 - m for m, h in zip(np.concatenate(found.means, axis=1)[0], (*h1, *h2), strict=True)
        )
        layers = [v[0], np.array(h1), np.array(h2)]
        exponent = sum(bias @ layer for bias, layer in zip(of.biases, layers, strict=True))
        exponent += layers[0] @ of.weights[0] @ layers[1] + layers[1] @ of.weights[1] @ layers[2]
        total += q * (exponent - math.log(q))
    assert bound(of, v, found, 0.7)[0] == pytest.approx(total - 0.7)


def test_the_bound_is_the_likelihood_where_units_are_independent():
    of = dbm(4, 3, 2)
    of = Dbm((of.weights[0], np.zeros((3, 2))), of.biases)
    v = np.array(binary(4))
    log_z = exact.log_partition(bipartite(of))
    found = mean_field(of, v, 2)
    assert found.residual < 1e-15
    assert bound(of, v, found, log_z) == pytest.approx(deep_log_likelihood(of, v, log_z))


def test_certain_means_have_no_entropy():
    of = dbm(2, 2, 1)
    of = Dbm(of.weights, (of.biases[0], np.array([800.0, -800.0]), of.biases[2]))
    v = np.array([[1, 0]])
    assert np.isfinite(bound(of, v, mean_field(of, v, 3), 0.0)).all()


def test_annealing_estimates_the_partition_function():
    of = dbm(10, 6, 8, scale=0.6)
    found = ais.estimate_log_partition(bipartite(of), betas=ais.graded(500), chains=100)
    log_z = exact.log_partition(bipartite(of))
    assert found.log_z == pytest.approx(log_z, abs=0.05)
    assert found.low < log_z < found.high
