"""The bound on a deep Boltzmann machine's likelihood of a whole set of samples."""

from itertools import pairwise

import numpy as np
import pytest

from dlcli.data.pipeline import BatchSource
from dlcli.errors import UsageError
from dlcli.graph import Graph
from dlcli.layers.dense import Dense
from dlcli.models.deep_likelihood import measure_bound
from dlcli.models.partition import Annealing
from dlcli.network import Network
from dlcli.pretrain.boltzmann import exact
from dlcli.pretrain.boltzmann.dbm import Dbm
from dlcli.pretrain.boltzmann.dbm_bound import bipartite, bound, mean_field
from tests.pretrain.boltzmann.sums import deep_log_likelihood

RANDOM = np.random.default_rng(0)
ANNEALING = Annealing(chains=50, steps=300, seed=1)


def pretrained(*units, scale=0.5):
    """A network with a first layer, and a machine of that and others above it."""
    network = Network(Graph.build([Dense(name="h1", units=units[1]), Dense(name="output", units=2)], units[:1]))
    weights = tuple((scale * RANDOM.normal(size=shape)).astype(np.float32) for shape in pairwise(units))
    biases = tuple((scale * RANDOM.normal(size=size)).astype(np.float32) for size in units)
    return network, network.graph.node("h1"), Dbm(weights, biases)


@pytest.mark.parametrize("units", [(6, 4, 3), (5, 4, 3, 2)])
def test_a_small_machine_is_summed(units):
    network, node, of = pretrained(*units)
    v = RANDOM.integers(0, 2, (230, units[0])).astype(np.float32)  # three batches
    found = measure_bound(of, node, network, BatchSource(v), ANNEALING)
    log_z = exact.log_partition(bipartite(of))
    assert found.log_partition == log_z
    assert found.log_likelihood == pytest.approx(bound(of, v, mean_field(of, v, 200), log_z).mean(), abs=1e-5)
    assert found.low == found.high == found.log_likelihood
    truth = deep_log_likelihood(of, v, log_z).mean()
    assert truth - 0.2 < found.log_likelihood <= truth


def test_a_large_one_is_estimated():
    network, node, of = pretrained(22, 22, 3, scale=0.2)
    assert not exact.is_small(bipartite(of))
    v = RANDOM.integers(0, 2, (50, 22)).astype(np.float32)
    found = measure_bound(of, node, network, BatchSource(v), ANNEALING)
    assert found.low < found.log_likelihood < found.high < found.low + 0.2
    assert found.effective_chains > 25
    expected = bound(of, v, mean_field(of, v, 200), found.log_partition).mean()
    assert found.log_likelihood == pytest.approx(expected, abs=1e-5)


def test_inputs_beyond_0_and_1_are_refused():
    network, node, of = pretrained(6, 4, 3)
    with pytest.raises(UsageError, match="found inputs of h1 that are not from 0 to 1"):
        measure_bound(of, node, network, BatchSource(np.full((3, 6), 1.5, np.float32)), ANNEALING)


def test_means_from_above_are_no_samples():
    """The first layer may take them behind the samples, from a `mean_field` layer."""
    network, node, of = pretrained(6, 4, 3)
    wide, wide_node, _ = pretrained(10, 4, 3)
    v = RANDOM.integers(0, 2, (30, 10)).astype(np.float32)
    found = measure_bound(of, wide_node, wide, BatchSource(v), ANNEALING)
    assert found == measure_bound(of, node, network, BatchSource(v[:, :6].copy()), ANNEALING)
