"""Autoencoders: a layer folded back at its output, tied or not, sparse or not, on whole or corrupted inputs."""

import numpy as np
import pytest
from pydantic import ValidationError

from dlcli.data.pipeline import BatchSource
from dlcli.errors import MisfitError
from dlcli.graph import Graph
from dlcli.layers.dense import Dense
from dlcli.network import Network
from dlcli.optim.schedules.base import Clock
from dlcli.optim.sgd import Sgd
from dlcli.pretrain.base import Task
from dlcli.pretrain.methods.autoencoder import Autoencoder
from tests.runs import PRETRAINED, experiment, train

RANDOM = np.random.default_rng(4)
UNIT = RANDOM.random((30, 6), np.float32)  # in [0, 1]
WIDE = RANDOM.normal(size=(30, 6)).astype(np.float32)


def folded(method, inputs, *, activation="sigmoid", units=4, seed=3, **sgd):
    """A network of one hidden layer and an output, and the hidden layer's autoencoder."""
    layers = [Dense(name="hidden", units=units, activation=activation), Dense(name="output", units=2)]
    network = Network(Graph.build(layers, inputs.shape[1:]), seed=seed)
    network.initialise()
    node = network.graph.node("hidden")
    method.check(node)
    task = Task((node,), network, BatchSource(inputs, inputs), None, Sgd(**{"learning_rate": 0.1} | sgd))
    return network, method.objective(task)


def fit(objective, inputs, *, epochs, batch_size=10):
    batches = -(-len(inputs) // batch_size)
    source = BatchSource(inputs, inputs)
    for epoch in range(epochs):
        for step, batch in enumerate(source.iterate(batch_size), epoch * batches):
            objective.step(batch, Clock(step, batches, epochs))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def naive_loss(objective, x, *, units, loss, activation="sigmoid"):
    """Mean over samples, sum over units, in float64."""
    tensors = {name: array.astype(np.float64) for name, array in objective.tensors().items()}
    x = x.astype(np.float64)
    h = x @ tensors["hidden/weights"] + tensors["hidden/bias"]
    h = sigmoid(h) if activation == "sigmoid" else h
    decoder = tensors.get("hidden.mirror/weights", tensors["hidden/weights"].T)
    y = h @ decoder + tensors["hidden.mirror/bias"]
    y = sigmoid(y) if units == "sigmoid" else y
    if loss == "cross_entropy":
        return -np.mean(np.sum(x * np.log(y) + (1 - x) * np.log(1 - y), axis=1))
    return np.mean(np.sum((y - x) ** 2, axis=1)) / 2


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize(
    ("options", "inputs", "units", "loss"),
    [
        ({}, UNIT, "sigmoid", "cross_entropy"),
        ({}, WIDE, "linear", "squared_error"),
        ({}, np.clip(WIDE, 0, None), "linear", "squared_error"),  # above 1
        ({}, np.clip(WIDE, None, 1), "linear", "squared_error"),  # below 0
        ({"loss": "squared_error"}, UNIT, "sigmoid", "squared_error"),
        ({"loss": "cross_entropy"}, UNIT, "sigmoid", "cross_entropy"),
        ({"reconstruction": "linear"}, UNIT, "linear", "squared_error"),
        ({"reconstruction": "sigmoid"}, UNIT, "sigmoid", "cross_entropy"),
        ({"reconstruction": "sigmoid", "loss": "squared_error"}, WIDE, "sigmoid", "squared_error"),
    ],
)
def test_units_and_loss_of_the_reconstruction(options, inputs, units, loss, tied):
    _, objective = folded(Autoencoder(**options, tied=tied), inputs)
    expected = naive_loss(objective, inputs, units=units, loss=loss)
    source = BatchSource(inputs, inputs)
    assert objective.evaluate(source, 7)["loss"] == pytest.approx(expected, rel=1e-6)
    result = objective.step(next(source.iterate(30)), Clock(0, 1, 1))
    assert result.loss / 30 == pytest.approx(expected, rel=1e-6)
    assert result.wrong is None


def test_learning_lowers_the_reconstruction_error():
    for tied in (True, False):
        _, objective = folded(Autoencoder(tied=tied), UNIT)
        source = BatchSource(UNIT, UNIT)
        before = objective.evaluate(source, 30)["loss"]
        fit(objective, UNIT, epochs=30)
        assert objective.evaluate(source, 30)["loss"] < before - 0.05


def test_tied_is_one_matrix_and_untied_two():
    network, objective = folded(Autoencoder(tied=True), UNIT)
    assert objective.tensors()["hidden/weights"] is network.parameters["hidden/weights"]
    assert "hidden.mirror/weights" not in objective.tensors()
    network, objective = folded(Autoencoder(tied=False), UNIT)
    mirror = objective.tensors()["hidden.mirror/weights"]
    assert mirror.shape == (4, 6)
    assert mirror.any()
    before = mirror.copy()
    fit(objective, UNIT, epochs=1)
    assert not np.array_equal(mirror, before)
    assert not np.allclose(mirror, network.parameters["hidden/weights"].T)


def test_the_gradient_of_tied_weights_is_the_sum_of_both_uses():
    """One step from rest moves w by −ε ∂C/∂w, here by differences of the naive loss in float64."""
    network, objective = folded(Autoencoder(), UNIT, learning_rate=1.0, momentum=0.0)
    weights = network.parameters["hidden/weights"]
    before = weights.copy()
    objective.step(next(BatchSource(UNIT, UNIT).iterate(30)), Clock(0, 1, 1))
    moved = weights - before
    biases = {name: array.copy() for name, array in objective.tensors().items() if name.endswith("bias")}
    for name in biases:  # as they were before the step: zero
        objective.tensors()[name][...] = 0
    for i, j in ((0, 0), (2, 3), (5, 1)):
        slope = 0.0
        for sign in (1, -1):
            weights[...] = before
            weights[i, j] += sign * np.float32(1e-2)
            slope += sign * naive_loss(objective, UNIT, units="sigmoid", loss="cross_entropy") / 2e-2
        assert moved[i, j] == pytest.approx(-slope, rel=2e-3, abs=1e-5)


def test_cross_entropy_needs_sigmoid_units():
    with pytest.raises(ValidationError, match="cross_entropy needs sigmoid reconstruction, found linear"):
        Autoencoder(loss="cross_entropy", reconstruction="linear")


@pytest.mark.parametrize("options", [{"loss": "cross_entropy"}, {"reconstruction": "sigmoid"}])
def test_cross_entropy_needs_inputs_from_0_to_1(tmp_path, options):
    """The standardised inputs of the first layer are not."""
    of = experiment(PRETRAINED, pretrain__method={"type": "autoencoder", **options})
    message = r"inputs of hidden1: found the target .*, expected numbers from 0 to 1"
    with pytest.raises(MisfitError, match=message) as misfit:
        train(tmp_path / "run", of)
    assert misfit.value.path == ("pretrain", "method")


def test_sparsity_pulls_the_mean_activity_to_its_target():
    def activity(**sparsity):
        method = Autoencoder(sparsity=sparsity) if sparsity else Autoencoder()
        network, objective = folded(method, UNIT, units=6, learning_rate=0.05)
        fit(objective, UNIT, epochs=300)
        h = sigmoid(UNIT @ network.parameters["hidden/weights"] + network.parameters["hidden/bias"])
        return h.mean(axis=0)

    assert np.abs(activity() - 0.1).max() > 0.2
    np.testing.assert_allclose(activity(target=0.1, weight=5.0), 0.1, atol=0.02)
    np.testing.assert_allclose(activity(target=0.3, weight=5.0), 0.3, atol=0.03)
    assert activity(l1=1.0).mean() < activity().mean() / 2


def test_the_penalty_is_part_of_the_training_loss():
    source = BatchSource(UNIT, UNIT)
    network, objective = folded(Autoencoder(sparsity={"target": 0.1, "weight": 2.0}), UNIT)
    h = sigmoid(UNIT.astype(np.float64) @ network.parameters["hidden/weights"])
    mean = h.mean(axis=0)
    divergence = np.sum(0.1 * np.log(0.1 / mean) + 0.9 * np.log(0.9 / (1 - mean)))
    expected = naive_loss(objective, UNIT, units="sigmoid", loss="cross_entropy") + 2 * divergence
    assert objective.step(next(source.iterate(30)), Clock(0, 1, 1)).loss / 30 == pytest.approx(expected, rel=1e-6)


def test_a_target_activity_needs_sigmoid_units(tmp_path):
    changes = {"pretrain__method": {"type": "autoencoder", "sparsity": {"weight": 0.1}}}
    mapping = PRETRAINED | {"network": [layer | {} for layer in PRETRAINED["network"]]}
    mapping["network"][2]["activation"] = "tanh"
    with pytest.raises(MisfitError, match=r"hidden2 is tanh; expected sigmoid units, or sparsity\.l1") as misfit:
        train(tmp_path / "run", experiment(mapping, **changes))
    assert misfit.value.path == ("pretrain", "method")
    with pytest.raises(MisfitError, match="hidden2 is tanh") as misfit:
        train(tmp_path / "run", experiment(mapping, pretrain__layers=["hidden1", "hidden2"], **changes))
    assert misfit.value.path == ("pretrain", "layers", 1)


def test_corruption_hides_inputs_in_training_and_its_target_is_the_whole():
    _, objective = folded(Autoencoder(corruption=0.4), UNIT)
    source = BatchSource(UNIT, UNIT)
    tensors = {name: array.astype(np.float64) for name, array in objective.tensors().items()}
    whole = naive_loss(objective, UNIT, units="sigmoid", loss="cross_entropy")
    assert objective.evaluate(source, 30)["loss"] == pytest.approx(whole, rel=1e-6)
    loss = objective.step(next(source.iterate(30)), Clock(0, 1, 1)).loss / 30
    seen = objective.network.outputs(30)["hidden.noise"].astype(np.float64)
    hidden = seen != UNIT
    assert 0.25 < hidden.mean() < 0.55
    assert not seen[hidden].any()
    h = sigmoid(seen @ tensors["hidden/weights"] + tensors["hidden/bias"])
    y = sigmoid(h @ tensors["hidden/weights"].T + tensors["hidden.mirror/bias"])
    expected = -np.mean(np.sum(UNIT * np.log(y) + (1 - UNIT) * np.log(1 - y), axis=1))
    assert loss == pytest.approx(expected, rel=1e-6)
    assert loss != pytest.approx(whole, rel=1e-3)


def test_a_tied_linear_autoencoder_comes_to_principal_components():
    """Baldi and Hornik (1989): its least squared error is that of as many principal components."""
    basis = np.linalg.qr(RANDOM.normal(size=(8, 3)))[0]
    x = RANDOM.normal(size=(60, 3)) * [2.0, 1.5, 1.0] @ basis.T + 0.1 * RANDOM.normal(size=(60, 8))
    x = x.astype(np.float32)
    _, objective = folded(Autoencoder(), x, activation="linear", units=3, learning_rate=0.02)
    fit(objective, x, epochs=300, batch_size=60)
    values = np.linalg.svd((x - x.mean(axis=0)).astype(np.float64), compute_uv=False)
    least = np.sum(values[3:] ** 2) / len(x) / 2
    loss = objective.evaluate(BatchSource(x, x), 60)["loss"]
    assert least * (1 - 1e-5) <= loss <= 1.02 * least


def test_sparsity_without_effect_is_refused():
    with pytest.raises(ValueError, match="sparsity without effect"):
        Autoencoder(sparsity={"target": 0.05})
