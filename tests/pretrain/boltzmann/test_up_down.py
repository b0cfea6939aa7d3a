"""The up-down algorithm: each weight's change is what the phases' states say; samples and labels are learned."""

import numpy as np
import pytest

from dlcli.data.pipeline import Batch, BatchSource
from dlcli.graph import Graph
from dlcli.initialisers.zeros import Zeros
from dlcli.layers.base import ParameterSpec
from dlcli.layers.class_rbm import ClassRbm
from dlcli.layers.dense import Dense
from dlcli.network import Network
from dlcli.optim.schedules.base import Clock
from dlcli.optim.sgd import Sgd
from dlcli.pretrain.base import Task
from dlcli.pretrain.belief_net import UpDownOptions, stack
from dlcli.pretrain.boltzmann.up_down import UpDown

RATE = 0.1


def sigmoid(x):
    return 1 / (1 + np.exp(-x.astype(np.float64)))


def learner(labels=2, steps=2, seed=3):
    layers = [
        Dense(name="hidden1", units=7, activation="sigmoid"),
        Dense(name="hidden2", units=6, activation="sigmoid"),
    ]
    top = ClassRbm(name="top", units=9, classes=labels) if labels else Dense(name="top", units=9, activation="sigmoid")
    layers += [top, *([] if labels else [Dense(name="output", units=2)])]
    network = Network(Graph.build(layers, (5,)), seed=seed)
    network.initialise()
    rng = np.random.default_rng(seed)
    for array in network.parameters.values():
        array += rng.normal(size=array.shape).astype(np.float32)
    x = (rng.random((8, 5)) < 0.4).astype(np.float32)
    source = BatchSource(x, np.arange(8) % 2)
    models = {
        f"{name}.rbm/visible_bias": rng.normal(size=size).astype(np.float32)
        for name, size in (("hidden1", 5), ("hidden2", 7), ("top", 6))
    }
    nodes = network.graph.nodes[:3]
    optimiser = Sgd(learning_rate=RATE, momentum=0.0)
    task = Task(nodes, network, source, None, optimiser, nodes, 2, models)
    built = stack(task)
    return built, network, UpDown(built, network, optimiser, steps, seed=seed), Batch(x, source.y)


def test_generation_starts_as_the_transpose_of_recognition():
    built, network, _, _ = learner()
    for name in ("hidden1", "hidden2"):
        weights = built.arrays[f"{name}.generation/weights"]
        assert np.array_equal(weights, network.parameters[f"{name}/weights"].T)
        assert weights.flags.c_contiguous
    assert built.arrays["top/visible_bias"] is network.parameters["top/visible_bias"]


def test_each_change_is_what_the_states_say():
    for labels in (2, 0):
        built, _, objective, batch = learner(labels)
        before = {name: array.astype(np.float64) for name, array in built.arrays.items()}
        loss = objective.step(batch, Clock(0, 1, 1)).loss
        (buffers,) = objective._statistics.values()
        wake = [states.astype(np.float64) for states in buffers._wake]
        sleep = [states.astype(np.float64) for states in buffers._sleep]
        seen = [buffers._down_means[0].astype(np.float64), *sleep[1:]]
        assert np.array_equal(wake[0], batch.x)
        assert all(set(np.unique(states)) <= {0.0, 1.0} for states in (*wake[1:], *sleep))
        expected = dict(before)
        for place, name in enumerate(("hidden1", "hidden2")):
            up = before[f"{name}/weights"], before[f"{name}/bias"]
            down = before[f"{name}.generation/weights"], before[f"{name}.generation/bias"]
            error = wake[place] - sigmoid(wake[place + 1] @ down[0] + down[1])
            expected[f"{name}.generation/weights"] = down[0] + RATE * wake[place + 1].T @ error / 8
            expected[f"{name}.generation/bias"] = down[1] + RATE * error.mean(axis=0)
            error = sleep[place + 1] - sigmoid(seen[place] @ up[0] + up[1])
            expected[f"{name}/weights"] = up[0] + RATE * seen[place].T @ error / 8
            expected[f"{name}/bias"] = up[1] + RATE * error.mean(axis=0)
            if place == 0:
                dream = sigmoid(wake[1] @ down[0] + down[1])
                np.testing.assert_allclose(loss, 0.5 * np.sum((wake[0] - dream) ** 2), rtol=1e-5)
        v, h = buffers._v.astype(np.float64), buffers._h.astype(np.float64) * np.repeat([-8, 8], 8)[:, None]
        assert np.array_equal(v[:8, :6], wake[2])
        assert np.array_equal(v[8:, :6], sleep[2])
        if labels:
            assert np.array_equal(v[:8, 6:].argmax(axis=1), batch.y)
        name = "top/visible_bias" if labels else "top.rbm/visible_bias"
        expected["top/weights"] = before["top/weights"] + RATE * (v[:8].T @ h[:8] - v[8:].T @ h[8:]) / 8
        expected["top/bias"] = before["top/bias"] + RATE * (h[:8].mean(axis=0) - h[8:].mean(axis=0))
        expected[name] = before[name] + RATE * (v[:8].mean(axis=0) - v[8:].mean(axis=0))
        assert expected.keys() == built.arrays.keys()
        for name, array in built.arrays.items():
            np.testing.assert_allclose(array, expected[name], atol=2e-6, err_msg=name)


def test_evaluation_is_of_the_present_weights_in_batches_of_any_size():
    built, _, objective, batch = learner(labels=0)
    for step in range(2):
        objective.step(batch, Clock(step, 1, 1))
        up, c, down, b = (
            built.arrays[f"hidden1{name}"] for name in ("/weights", "/bias", ".generation/weights", ".generation/bias")
        )
        errors = (batch.x - sigmoid(sigmoid(batch.x @ up + c) @ down + b)) ** 2
        assert objective.evaluate(BatchSource(batch.x), 5)["loss"] == pytest.approx(0.5 * errors.sum() / 8, rel=1e-5)


def test_decay_leaves_biases_alone():
    built, _, _, _ = learner()
    for name, spec in built.specs.items():
        assert isinstance(spec, ParameterSpec)
        assert spec.multipliers.decay_multiplier == (0.0 if "bias" in name else 1.0), name


def test_two_patterns_and_their_labels_are_learned():
    """What the net generates are the patterns; what it recognises, their classes."""
    _, network, objective, _ = learner(steps=1)
    for name, array in objective.tensors().items():
        if "momentum" not in name:
            array *= np.float32(0.1)
    patterns = np.array([[1, 1, 0, 0, 0], [0, 0, 0, 1, 1]], np.float32)
    batch = Batch(np.tile(patterns, (10, 1)), np.arange(20) % 2)
    for step in range(3000):
        objective.step(batch, Clock(step, 1, 3000))
    assert objective.evaluate(BatchSource(batch.x, batch.y), 20)["error"] == 0
    assert np.array_equal(network.forward(patterns).argmax(axis=1), [0, 1])
    (buffers,) = objective._statistics.values()
    distances = np.abs(buffers._down_means[0][:, None] - patterns).sum(axis=2).min(axis=1)
    assert np.median(distances) < 0.5


def test_layers_that_are_no_belief_net_are_refused():
    options = UpDownOptions(optimiser={"type": "sgd", "learning_rate": 0.1})
    graph = Graph.build([Dense(name="a", units=3, activation="relu"), Dense(name="b", units=2)], (4,))
    for nodes, message in ((graph.nodes[:1], "at least two"), (graph.nodes[::-1], "a does not follow b")):
        with pytest.raises(ValueError, match=message):
            options.check_nodes(tuple(nodes), graph)


def test_parameters_of_generation_are_declared():
    built, *_ = learner()
    assert built.specs["hidden1.generation/weights"].shape == (7, 5)
    assert isinstance(built.specs["hidden1.generation/weights"].initialiser, Zeros)
