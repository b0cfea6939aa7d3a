"""What contrastive divergence follows on a 3 × 2 RBM: in the mean, and as k grows, the likelihood's exact gradient."""

import numpy as np

from dlcli.data.pipeline import BatchSource
from dlcli.graph import Graph
from dlcli.layers.dense import Dense
from dlcli.network import Network
from dlcli.optim.schedules.base import Clock
from dlcli.optim.sgd import Sgd
from dlcli.pretrain.base import Task
from dlcli.pretrain.boltzmann.exact import likelihood_gradient
from dlcli.pretrain.methods.rbm import RestrictedBoltzmannMachine
from tests.pretrain.boltzmann.small import rbm

OF = rbm(3, 2, seed=4, scale=1.5)
DATA = np.array([[1, 0, 1], [1, 1, 1], [0, 0, 1], [0, 1, 0]], np.float32)
CHAINS = 20_000


def moved(*, steps=20, warm=0, **options) -> list:
    """How far one step of SGD with ε = 1 moves W, b and c, from the data's statistics and so many chains."""
    layers = [Dense(name="hidden", units=2, activation="sigmoid"), Dense(name="output", units=2)]
    network = Network(Graph.build(layers, (3,)), seed=1)
    v = np.tile(DATA, (CHAINS // len(DATA), 1))
    method = RestrictedBoltzmannMachine(steps=steps, **options)
    node = network.graph.node("hidden")
    source = method.source((node,), network, v, None)
    task = Task((node,), network, source, None, Sgd(learning_rate=1.0, momentum=0.0))
    objective = method.objective(task)
    tensors = objective.tensors()
    arrays = [tensors[name] for name in ("hidden/weights", "hidden.rbm/visible_bias", "hidden/bias")]
    for step in range(warm + 1):  # persistent chains first have to come to the model
        for array, value in zip(arrays, (OF.weights, OF.visible_bias, OF.hidden_bias), strict=True):
            array[...] = value
        before = [array.copy() for array in arrays]
        objective.step(next(BatchSource(v).iterate(len(v))), Clock(step, 1, 1))
    return [array - old for array, old in zip(arrays, before, strict=True)]


def errors(found) -> float:
    gradient = likelihood_gradient(OF, DATA)
    expected = (gradient.weights, gradient.visible_bias, gradient.hidden_bias)
    return max(np.abs(a - b).max() for a, b in zip(found, expected, strict=True))


def test_it_comes_nearer_as_k_grows():
    found = [errors(moved(steps=k)) for k in (1, 3, 40)]
    assert found[0] > 0.05
    assert found[0] > found[1] > found[2]
    assert found[2] < 0.015


def test_means_in_place_of_visible_states_leave_an_error():
    assert errors(moved(steps=40)) < 0.015 < errors(moved(steps=40, sample_visible=False)) < 0.05


def test_persistent_chains_come_to_it():
    assert errors(moved(steps=5, chains=CHAINS, warm=12)) < 0.015
