"""Backpropagation as an objective: steps, diagnosis, and where a divergence began."""

from unittest import mock

import numpy as np
import pytest

from dlcli.data.batches import Batch
from dlcli.graph import Graph
from dlcli.layers.batch_norm import BatchNorm
from dlcli.layers.dense import Dense
from dlcli.layers.dropout import Dropout
from dlcli.losses.softmax_cross_entropy import SoftmaxCrossEntropy
from dlcli.network import Network
from dlcli.optim.lbfgs import Lbfgs
from dlcli.optim.schedules.base import Clock
from dlcli.optim.sgd import Sgd
from dlcli.training.backpropagation import Backpropagation
from dlcli.training.objective import bounded
from tests.layers.harness import layer_of

RANDOM = np.random.default_rng(6)
BATCH = Batch(RANDOM.normal(size=(8, 3)).astype(np.float32), np.arange(8) % 2)
START = Clock(0, 1, 1)


@pytest.fixture
def objective():
    layers = [
        Dense(name="first", units=4, activation="relu"),
        Dense(name="second", units=3),
        Dense(name="output", units=2),
    ]
    network = Network(Graph.build(layers, (3,)), seed=1)
    network.initialise()
    return Backpropagation(network, SoftmaxCrossEntropy(), Sgd(learning_rate=0.1))


def test_a_step_tells_the_loss_and_the_mistakes_before_it(objective):
    before = objective.network.forward(BATCH.x).astype(np.float64)
    log_p = before - np.log(np.exp(before).sum(axis=1, keepdims=True))
    result = objective.step(BATCH, START)
    assert result.loss == pytest.approx(-log_p[np.arange(8), BATCH.y].sum(), rel=1e-6)
    assert result.wrong == np.sum(log_p.argmax(axis=1) != BATCH.y)


def test_mistakes_leave_out_samples_of_an_ignored_class(objective):
    network = objective.network
    assert objective.step(BATCH, START).counted is None
    network.initialise()
    own = Batch(BATCH.x[BATCH.y == 0], BATCH.y[BATCH.y == 0])
    alone = Backpropagation(network, SoftmaxCrossEntropy(), Sgd(learning_rate=0.1)).step(own, START)
    network.initialise()
    ignoring = Backpropagation(network, SoftmaxCrossEntropy(ignored_label=1), Sgd(learning_rate=0.1))
    result = ignoring.step(BATCH, START)
    assert result.counted == 4
    assert result.wrong == alone.wrong > 0
    assert result.loss == pytest.approx(alone.loss, rel=1e-6)


def test_a_line_search_evaluates_the_batch_again_with_the_same_random_numbers():
    layers = [Dropout(name="dropout", rate=0.5), Dense(name="output", units=2)]
    network = Network(Graph.build(layers, (3,)), seed=1)
    network.initialise()
    objective = Backpropagation(network, SoftmaxCrossEntropy(), Lbfgs())
    dropped, forward = [], network.forward

    def watched(*arguments, **options):
        outputs = forward(*arguments, **options)
        dropped.append((network.outputs(8)["dropout"] == 0).tolist())
        return outputs

    rehearsed = mock.patch.object(objective, "_compile_ahead")  # would pass forward, too, without computing anything
    with mock.patch.object(network, "forward", watched), rehearsed:
        first, again = objective.step(BATCH, START), objective.step(BATCH, START)
    assert len(dropped) > 3
    assert all(zeros == dropped[0] for zeros in dropped)
    assert again.loss < first.loss


def test_its_tensors_are_parameters_and_momentum_themselves(objective):
    tensors = objective.tensors()
    names = {f"{layer}/{kind}" for layer in ("first", "second", "output") for kind in ("weights", "bias")}
    assert tensors.keys() == names | {f"momentum/{name}" for name in names}
    before = {name: array.copy() for name, array in tensors.items()}
    objective.step(BATCH, START)
    assert all(not np.array_equal(objective.tensors()[name], before[name]) for name in ("output/bias", "first/weights"))
    assert all(objective.tensors()[name] is tensors[name] for name in tensors)


def test_diagnosis_measures_and_changes_nothing(objective):
    objective.step(BATCH, START)
    before = {name: array.copy() for name, array in objective.tensors().items()}
    found = objective.diagnose(BATCH)
    for name, array in objective.tensors().items():
        assert array.tobytes() == before[name].tobytes()
    parameters = objective.network.parameters
    assert found["weight_norm/second"] == pytest.approx(np.linalg.norm(parameters["second/weights"]), rel=1e-6)
    hidden = np.maximum(BATCH.x @ parameters["first/weights"] + parameters["first/bias"], 0)
    assert found["activity/first"] == pytest.approx(np.abs(hidden).mean(), rel=1e-5)
    # Without momentum a step moves the weights by −ε times the gradient that was diagnosed.
    moved = {name: array.copy() for name, array in parameters.items()}
    for name, array in objective.tensors().items():
        if name.startswith("momentum/"):
            array[...] = 0
    objective.step(BATCH, START)
    for layer in ("first", "second", "output"):
        step = np.linalg.norm(parameters[f"{layer}/weights"] - moved[f"{layer}/weights"])
        assert found[f"gradient_norm/{layer}"] == pytest.approx(step / 0.1, rel=1e-4)


@pytest.mark.parametrize("layer", ["first", "second", "output"])
@pytest.mark.parametrize("value", [np.nan, np.inf, 3e38])
def test_a_loss_that_is_not_finite_changes_nothing_and_is_traced_to_its_layer(objective, layer, value):
    """3e38 is finite itself; what it makes of the layer's output is not."""
    weights = objective.network.parameters[f"{layer}/weights"]
    weights[...] = value
    before = {name: array.copy() for name, array in objective.tensors().items()}
    with np.errstate(all="ignore"):
        result = objective.step(BATCH, START)
    assert not np.isfinite(result.loss)
    assert objective.first_bad_layer() == layer
    for name, array in objective.tensors().items():
        assert array.tobytes() == before[name].tobytes()


def test_what_diverges_later_is_traced_to_its_layer_too(objective):
    """A step has passed back, and its gradients may stand where outputs have been."""
    objective.step(BATCH, START)
    assert objective.first_bad_layer() == "output"  # none is bad: the last is named
    objective.network.parameters["first/weights"][...] = 3e38
    with np.errstate(all="ignore"):
        assert objective.first_bad_layer() == "first"
    objective.network.parameters["first/weights"][...] = 1e18
    objective.network.parameters["second/weights"][...] = 1e18
    assert objective.first_bad_layer() == "second"


def test_before_the_first_step_parameters_tell(objective):
    assert objective.first_bad_layer() == "output"
    objective.network.parameters["second/bias"][1] = np.inf
    assert objective.first_bad_layer() == "second"


def test_what_is_random_is_a_function_of_the_step():
    layers = [Dropout(name="dropout", rate=0.5), Dense(name="output", units=2)]
    objective = Backpropagation(
        Network(Graph.build(layers, (3,)), seed=1), SoftmaxCrossEntropy(), Sgd(learning_rate=0.1)
    )

    def dropped(step):
        objective.step(BATCH, Clock(step, 9, 1))
        return (objective.network.outputs(8)["dropout"] == 0).tolist()

    assert dropped(0) == dropped(0)
    assert dropped(0) != dropped(1)


@pytest.mark.parametrize(
    ("values", "expected"),
    [([], True), ([0, -1e18], True), ([1e19], False), ([-1e19, 0], False), ([0, np.nan], False), ([np.inf], False)],
)
def test_bounded(values, expected):
    assert bounded(np.array(values, np.float32)) is expected


# Several heads, frozen parameters


def branched() -> tuple[Network, list[SoftmaxCrossEntropy]]:
    layers = [
        Dense(name="below", units=4, activation="tanh"),
        Dense(name="output", units=2),
        Dense(name="auxiliary", units=2, inputs=("below",)),
    ]
    losses = [SoftmaxCrossEntropy(input="output"), SoftmaxCrossEntropy(input="auxiliary", weight=0.3)]
    network = Network(Graph.build(layers, (3,), ["output", "auxiliary"]), seed=1)
    network.initialise()
    return network, losses


def test_the_loss_is_the_weighted_sum_of_its_heads():
    network, (main, auxiliary) = branched()
    objective = Backpropagation(network, main, Sgd(learning_rate=0.1), auxiliary=[auxiliary])
    result = objective.step(BATCH, START)
    assert set(result.parts) == {"output", "auxiliary"}
    assert result.loss == pytest.approx(result.parts["output"] + 0.3 * result.parts["auxiliary"], rel=1e-12)


def test_evaluation_leaves_out_what_the_main_head_does_not_need():
    network, (main, auxiliary) = branched()
    objective = Backpropagation(network, main, Sgd(learning_rate=0.1), auxiliary=[auxiliary])
    objective.step(BATCH, START)
    before = network.outputs(len(BATCH.x))["auxiliary"].copy()
    network.forward(BATCH.x[::-1].copy())
    assert np.array_equal(network.outputs(len(BATCH.x))["auxiliary"], before)


def test_what_is_frozen_stays_as_it_is():
    network, (main, auxiliary) = branched()
    frozen = {"below/weights", "output/bias"}
    before = {name: array.copy() for name, array in network.parameters.items()}
    objective = Backpropagation(network, main, Sgd(learning_rate=0.1), auxiliary=[auxiliary], frozen=frozen)
    for step in range(3):
        objective.step(BATCH, Clock(step, 3, 1))
    for name, array in network.parameters.items():
        assert np.array_equal(array, before[name]) == (name in frozen), name
    assert "momentum/below/weights" not in objective.tensors()


def test_a_frozen_layers_state_stays_and_a_diagnosis_changes_none():
    layers = [
        Dense(name="below", units=4, inputs=("input",)),
        BatchNorm(name="still"),
        BatchNorm(name="moving"),
        Dense(name="output", units=2),
    ]
    network = Network(Graph.build(layers, (3,)), seed=1)
    network.initialise()
    frozen = {"below/weights", "below/bias", "still/weights", "still/bias"}
    objective = Backpropagation(network, SoftmaxCrossEntropy(), Sgd(learning_rate=0.1), frozen=frozen)
    before = {name: array.copy() for name, array in network.state.items()}
    objective.step(BATCH, START)
    changed = {name for name, array in network.state.items() if not np.array_equal(array, before[name])}
    assert changed == {"moving/running_mean", "moving/running_variance"}
    after = {name: array.copy() for name, array in network.state.items()}
    objective.diagnose(BATCH)
    assert all(np.array_equal(array, after[name]) for name, array in network.state.items())


def test_compiling_ahead_changes_nothing(monkeypatch):
    layers = [
        {"type": "conv2d", "filters": 3, "kernel_size": 3, "activation": "relu"},
        {"type": "batch_norm"},
        {"type": "max_pool2d", "size": 2},
        {"type": "dropout", "rate": 0.5},
        {"type": "dense", "units": 6, "activation": "sigmoid"},
        {"type": "sparsity", "target": 0.1, "weight": 0.1, "running_mean": 0.9},
        {"type": "dense", "units": 4},
    ]
    rng = np.random.default_rng(1)
    x, y = rng.random((8, 6, 6, 2), np.float32), rng.integers(4, size=8)

    def tensors(ahead):
        if not ahead:
            monkeypatch.setattr(Backpropagation, "_compile_ahead", lambda *_: None)
        network = Network(Graph.build([layer_of(layer) for layer in layers], (6, 6, 2)), seed=1)
        network.initialise()
        objective = Backpropagation(network, SoftmaxCrossEntropy(), Sgd(learning_rate=0.1))
        losses = [objective.step(Batch(x[:n], y[:n]), Clock(step, 3, 1)).loss for step, n in enumerate((8, 8, 5))]
        return losses, {name: array.tobytes() for name, array in objective.tensors().items()}

    assert tensors(ahead=True) == tensors(ahead=False)
