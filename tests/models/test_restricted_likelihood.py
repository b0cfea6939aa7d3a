"""The likelihood of a pretrained layer's RBM: which units, which inputs, exact or estimated."""

import numpy as np
import pytest

from dlcli.data.pipeline import BatchSource
from dlcli.errors import UsageError
from dlcli.graph import Graph
from dlcli.layers.class_rbm import ClassRbm
from dlcli.layers.dense import Dense
from dlcli.models.features import inputs_of
from dlcli.models.partition import Annealing
from dlcli.models.restricted_likelihood import measure, parameters_of
from dlcli.network import Network
from dlcli.pretrain.boltzmann import ais, exact
from dlcli.pretrain.boltzmann.energy import free_energy
from dlcli.pretrain.boltzmann.rbm import Rbm
from dlcli.pretrain.units.binary import Binary
from dlcli.pretrain.units.gaussian import Gaussian
from dlcli.pretrain.units.relu import Relu
from dlcli.pretrain.units.softmax import Softmax

RANDOM = np.random.default_rng(0)
BITS = RANDOM.integers(0, 2, (250, 6)).astype(np.float32)
BINARY = (Binary(), Binary())
ANNEALING = Annealing(chains=50, steps=300, seed=1)


def network(units=4, *, inputs=6, top=None):
    """Two hidden layers."""
    layers = [
        Dense(name="hidden1", units=units, activation="sigmoid"),
        Dense(name="hidden2", units=3, activation="sigmoid"),
        top or Dense(name="output", units=2),
    ]
    found = Network(Graph.build(layers, (inputs,)), seed=1)
    found.initialise()
    return found


def machine(visible=6, hidden=4, kinds=BINARY, **more):
    weights, *biases = (RANDOM.normal(size=s).astype(np.float32) for s in ((visible, hidden), visible, hidden))
    return Rbm(weights, *biases, *kinds, **more)


def found(rbm, name="hidden1", train=BITS, data=BITS, of=None):
    of = of or network(rbm.weights.shape[1], inputs=len(rbm.weights))
    parameters, node = parameters_of(rbm, name), of.graph.node(name)
    return parameters, measure(parameters, node, of, BatchSource(train), BatchSource(data), ANNEALING)


def test_the_first_layer():
    rbm = machine()
    of, likelihood = found(rbm)
    for array, own in (
        (of.weights, rbm.weights),
        (of.visible_bias, rbm.visible_bias),
        (of.hidden_bias, rbm.hidden_bias),
    ):
        np.testing.assert_array_equal(array, own.astype(np.float64))
    log_z = exact.log_partition(of)
    expected = exact.log_likelihood(of, BITS, log_z).mean()
    assert likelihood.log_likelihood == pytest.approx(expected)
    assert (likelihood.low, likelihood.high) == (likelihood.log_likelihood,) * 2
    assert (likelihood.log_partition, likelihood.effective_chains) == (log_z, None)


def test_a_second_layer_sees_the_first_ones_outputs():
    net = network()
    h = 1 / (1 + np.exp(-(BITS.astype(np.float64) @ net.parameters["hidden1/weights"])))
    x = np.concatenate([x.copy() for x in inputs_of(net.graph.node("hidden2"), net, BatchSource(BITS))])
    np.testing.assert_allclose(x, h, rtol=1e-5)
    of, likelihood = found(machine(4, 3), "hidden2", of=net)
    assert likelihood.log_likelihood == pytest.approx(exact.log_likelihood(of, x, exact.log_partition(of)).mean())


def test_a_large_one_is_estimated():
    train, bits = (RANDOM.integers(0, 2, (40, 21)).astype(np.float32) for _ in range(2))
    of, likelihood = found(machine(21, 21), "hidden1", train, bits)
    assert not exact.is_small(of)
    base, betas = ais.base_rates(train), ais.graded(300)
    expected = ais.estimate_log_partition(of, base, betas=betas, chains=50, seed=1)
    assert likelihood.log_partition == expected.log_z
    assert likelihood.effective_chains == expected.effective_chains
    free = free_energy(of, bits).mean()
    each = [likelihood.low, likelihood.log_likelihood, likelihood.high]
    assert each == pytest.approx([-free - z for z in (expected.high, expected.log_z, expected.low)])
    assert each == sorted(each)


def test_gaussian_units():
    wide = RANDOM.normal(size=(50, 6)).astype(np.float32)
    of, likelihood = found(machine(kinds=(Gaussian(), Binary())), "hidden1", wide, wide)
    np.testing.assert_array_equal(of.variances, np.ones(6))
    expected = exact.log_likelihood(of, wide, exact.log_partition(of)).mean()
    assert likelihood.log_likelihood == pytest.approx(expected)
    log_variance = np.linspace(-1, 1, 6).astype(np.float32)
    learned = machine(kinds=(Gaussian(learn_variance=True), Binary()), log_variance=log_variance)
    assert parameters_of(learned, "hidden1").variances == pytest.approx(np.exp(np.linspace(-1, 1, 6)))


@pytest.mark.parametrize("hidden", [4, 21])
def test_labels_are_summed_out(hidden):
    """log Σ_y p(v, y): of a small machine exact, of a large one estimated."""
    inputs = 6 if hidden == 4 else 21
    bits = RANDOM.integers(0, 2, (40, inputs)).astype(np.float32)
    net = Network(Graph.build([ClassRbm(name="top", units=hidden, classes=3)], (inputs,)), seed=1)
    rbm = machine(inputs + 3, hidden, labels=3)
    of, likelihood = found(rbm, "top", bits, bits, net)
    assert (of.visible, of.label_weights.shape) == (inputs, (3, hidden))
    w, b, c = (array.astype(np.float64) for array in (rbm.weights, rbm.visible_bias, rbm.hidden_bias))
    sums = []  # log Σ_h of v and y, with the label units as three more bits
    for y in np.eye(3):
        v = np.concatenate([bits, np.tile(y, (len(bits), 1))], axis=1)
        sums.append(v @ b + np.log1p(np.exp(v @ w + c)).sum(axis=1))
    free = np.log(np.exp(sums).sum(axis=0)).mean()
    assert likelihood.log_likelihood == pytest.approx(free - likelihood.log_partition)
    assert (likelihood.effective_chains is None) == (hidden == 4)
    if hidden == 4:
        assert likelihood.log_partition == pytest.approx(exact.log_partition(of))


def test_what_cannot_be_measured_is_refused():
    with pytest.raises(UsageError, match="found inputs of hidden1 that are not from 0 to 1; its RBM has binary units"):
        found(machine(), data=2 * BITS)
    for kinds in ((Binary(), Relu()), (Softmax(size=2), Binary())):
        with pytest.raises(UsageError, match="the RBM of hidden1 has units over which no sum is known"):
            found(machine(kinds=kinds))
    with pytest.raises(UsageError, match="hidden1 has 21 hidden units and gaussian visible ones; expected 20 at most"):
        found(machine(6, 21, (Gaussian(), Binary())))
