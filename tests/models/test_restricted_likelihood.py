"""The likelihood of a pretrained layer's RBM: which units, which inputs, exact or estimated."""

import numpy as np
import pytest

from dlcli.data.pipeline import BatchSource
from dlcli.errors import UsageError
from dlcli.graph import Graph
from dlcli.layers.dense import Dense
from dlcli.network import Network
from dlcli.pretrain.boltzmann import ais, exact
from dlcli.pretrain.boltzmann.energy import free_energy
from dlcli.pretrain.boltzmann.likelihood import Annealing, Seen, chosen_layer, inputs_of, measure, parameters_of
from dlcli.pretrain.options import PretrainOptions

RANDOM = np.random.default_rng(0)
BITS = RANDOM.integers(0, 2, (250, 6)).astype(np.float32)
ANNEALING = Annealing(chains=50, steps=300, seed=1)


def pretrained(units=4, *, hidden2=3, activation="sigmoid", inputs=6):
    """A network of two hidden layers, and the machines of both."""
    layers = [
        Dense(name="hidden1", units=units, activation=activation),
        Dense(name="hidden2", units=hidden2, activation="sigmoid"),
        Dense(name="output", units=2),
    ]
    network = Network(Graph.build(layers, (inputs,)), seed=1)
    network.initialise()
    sizes = {"hidden1": inputs, "hidden2": units}
    models = {f"{n}.rbm/visible_bias": RANDOM.normal(size=size).astype(np.float32) for n, size in sizes.items()}
    for name in sizes:
        models |= {f"{name}.rbm/{kind}": network.parameters[f"{name}/{kind}"].copy() for kind in ("weights", "bias")}
    return network, models


def options(**method) -> PretrainOptions:
    return PretrainOptions.model_validate({"method": {"type": "rbm", **method}, "optimiser": {"learning_rate": 0.1}})


def found(network, models, name, train=BITS, data=BITS, annealing=ANNEALING, **method):
    node = chosen_layer(network, models, name)
    seen = Seen.of(node, network, BatchSource(train))
    of = parameters_of(node, models, options(**method), seen)
    return of, measure(of, node, network, seen, BatchSource(data), annealing)


def test_the_first_layer():
    network, models = pretrained()
    of, likelihood = found(network, models, None)
    np.testing.assert_array_equal(of.weights, network.parameters["hidden1/weights"].astype(np.float64))
    np.testing.assert_array_equal(of.visible_bias, models["hidden1.rbm/visible_bias"].astype(np.float64))
    log_z = exact.log_partition(of)
    expected = exact.log_likelihood(of, BITS, log_z).mean()
    assert likelihood.log_likelihood == pytest.approx(expected)
    assert (likelihood.low, likelihood.high) == (likelihood.log_likelihood,) * 2
    assert (likelihood.log_partition, likelihood.effective_chains) == (log_z, None)


def test_a_second_layer_sees_the_first_ones_outputs():
    network, models = pretrained()
    h = 1 / (1 + np.exp(-(BITS.astype(np.float64) @ network.parameters["hidden1/weights"])))
    node = chosen_layer(network, models, "hidden2")
    x = np.concatenate([x.copy() for x in inputs_of(node, network, BatchSource(BITS))])
    np.testing.assert_allclose(x, h, rtol=1e-5)
    of, likelihood = found(network, models, "hidden2")
    assert likelihood.log_likelihood == pytest.approx(exact.log_likelihood(of, x, exact.log_partition(of)).mean())


def test_a_large_one_is_estimated():
    network, models = pretrained(units=21, inputs=21)
    bits = RANDOM.integers(0, 2, (40, 21)).astype(np.float32)
    of, likelihood = found(network, models, None, bits, bits)
    assert not exact.is_small(of)
    base, betas = ais.base_rates(bits), ais.graded(300)
    expected = ais.estimate_log_partition(of, base, betas=betas, chains=50, seed=1)
    assert likelihood.log_partition == expected.log_z
    assert likelihood.effective_chains == expected.effective_chains
    free = free_energy(of, bits).mean()
    each = [likelihood.low, likelihood.log_likelihood, likelihood.high]
    assert each == pytest.approx([-free - z for z in (expected.high, expected.log_z, expected.low)])
    assert each == sorted(each)


def test_what_training_has_seen():
    network, models = pretrained()
    seen = Seen.of(chosen_layer(network, models), network, BatchSource(BITS))
    assert seen.total == pytest.approx(BITS.sum(axis=0))
    assert (seen.samples, seen.in_range) == (250, True)
    wide = BITS.copy()
    wide[3, 2] = -0.1  # in the first of three batches
    assert not Seen.of(chosen_layer(network, models), network, BatchSource(wide)).in_range


def test_gaussian_units_are_those_that_were_asked_for_or_that_learned_from_such_inputs():
    network, models = pretrained()
    wide = RANDOM.normal(size=(50, 6)).astype(np.float32)
    for train, method in ((wide, {}), (BITS, {"visible": {"type": "gaussian"}})):
        of, likelihood = found(network, models, None, train, wide, **method)
        np.testing.assert_array_equal(of.variances, np.ones(6))
        expected = exact.log_likelihood(of, wide, exact.log_partition(of)).mean()
        assert likelihood.log_likelihood == pytest.approx(expected)
    learned = models | {"hidden1.rbm/log_variance": np.linspace(-1, 1, 6).astype(np.float32)}
    of, _ = found(network, learned, None, wide, wide, visible={"type": "gaussian", "learn_variance": True})
    assert of.variances == pytest.approx(np.exp(np.linspace(-1, 1, 6)))


def test_what_cannot_be_measured_is_refused():
    network, models = pretrained()
    with pytest.raises(UsageError, match="found inputs of hidden1 that are not from 0 to 1; its RBM has binary units"):
        found(network, models, None, BITS, 2 * BITS)
    for method in ({"hidden": {"type": "relu"}}, {"visible": {"type": "softmax", "size": 2}}):
        with pytest.raises(UsageError, match="the RBM of hidden1 has units over which no sum is known"):
            found(network, models, None, **method)
    network, models = pretrained(activation="relu")
    with pytest.raises(UsageError, match="no sum is known"):
        found(network, models, None)
    network, models = pretrained(units=21)
    with pytest.raises(UsageError, match="hidden1 has 21 hidden units and gaussian visible ones; expected 20 at most"):
        found(network, models, None, BITS - 1)


def test_layers_without_an_rbm_are_refused():
    network, models = pretrained()
    with pytest.raises(UsageError, match="'output' has been .*as an RBM; expected one of: hidden1, hidden2"):
        chosen_layer(network, models, "output")
    with pytest.raises(UsageError, match="no layer has been pretrained as an RBM; expected a run whose pretraining"):
        chosen_layer(network, {})
