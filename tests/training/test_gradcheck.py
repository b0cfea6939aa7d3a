"""The gradient check of a whole network: it passes what is right, and fails what is broken on purpose."""

import numpy as np
import pytest

from dlcli.graph import Graph
from dlcli.kernels import activation as activation_kernels
from dlcli.kernels import bias as bias_kernels
from dlcli.layers.base import Layer
from dlcli.losses.mean_squared_error import MeanSquaredError
from dlcli.losses.sigmoid_cross_entropy import SigmoidCrossEntropy
from dlcli.losses.softmax_cross_entropy import SoftmaxCrossEntropy
from dlcli.training.gradcheck import Checked, gradcheck
from tests.layers.case import spread
from tests.layers.harness import layer_of

MLP = [
    {"type": "dense", "units": 7, "activation": "tanh"},
    {"type": "dropout", "rate": 0.3},
    {"type": "dense", "units": 3},
]
CONVNET = [
    {"type": "conv2d", "filters": 3, "kernel_size": 3, "activation": "relu"},
    {"type": "max_pool2d", "size": 2},
    {"type": "dense", "units": 3},
]
AUTOENCODER = [
    {"type": "masking_noise", "rate": 0.2},
    {"type": "dense", "units": 4, "name": "code", "activation": "sigmoid"},
    {"type": "sparsity", "target": 0.1, "weight": 0.5, "l1": 0.1},
    {"type": "dense_transposed", "tied_to": "code", "units": 6, "name": "mirror"},
]
CLASSES = np.array([0, 2, 1, 0])


def check(layers, shape, loss, targets, seed: int = 0) -> dict[str, Checked]:
    graph = Graph.build(map(layer_of, layers), shape)
    x = spread((4, *shape), seed + 1).astype(np.float32)
    y = x if targets is None else targets
    return {result.name: result for result in gradcheck(graph, loss, x, y, seed=seed)}


def check_mlp(seed: int = 0) -> dict[str, Checked]:
    return check(MLP, (5,), SoftmaxCrossEntropy(), CLASSES, seed)


def check_convnet(seed: int = 0) -> dict[str, Checked]:
    return check(CONVNET, (8, 7, 2), SoftmaxCrossEntropy(), CLASSES, seed)


def check_autoencoder(seed: int = 0) -> dict[str, Checked]:
    return check(AUTOENCODER, (6,), MeanSquaredError(), None, seed)


def failed(results: dict[str, Checked]) -> set[str]:
    return {name for name, result in results.items() if not result.passed}


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("network", [check_mlp, check_convnet, check_autoencoder])
def test_right_gradients_pass(network, seed: int):
    results = network(seed)
    assert not failed(results)
    compared = sum(result.checked for result in results.values())
    skipped = sum(result.kinks for result in results.values())
    assert compared >= 10 * skipped
    assert all(result.error < 1e-7 for result in results.values())


def test_every_parameter_and_the_input_are_checked():
    results = check_autoencoder()
    assert list(results) == ["code/weights", "code/bias", "mirror/bias", "input"]
    assert results["code/weights"].checked == 12  # of 24: a sample
    assert results["code/bias"].checked == 4


def test_losses_of_several_forms_pass():
    layers = [{"type": "dense", "units": 2, "activation": "softplus"}]
    assert not failed(check(layers, (3,), SigmoidCrossEntropy(), np.array([[0, 1], [1, 1], [0.5, 0], [1, 0]])))
    assert not failed(check(layers, (3,), MeanSquaredError(), spread((4, 2), 3)))


def test_inputs_of_any_order_pass():
    graph = Graph.build(map(layer_of, CONVNET), (8, 7, 2))
    x = np.asfortranarray(spread((4, 8, 7, 2), 1))
    results = list(gradcheck(graph, SoftmaxCrossEntropy(), x, CLASSES, seed=0))
    assert all(result.passed for result in results)
    assert results[-1].name == "input"
    assert results[-1].checked > 0


def test_tiny_gradients_are_checked_as_far_as_differences_can_resolve_them():
    """The survey's vanishing gradient: sigmoid layers that start near zero."""
    hidden = {
        "type": "dense",
        "units": 8,
        "activation": "sigmoid",
        "initialiser": {"type": "normal", "deviation": 0.01},
    }
    results = check([hidden] * 6 + [{"type": "dense", "units": 3}], (5,), SoftmaxCrossEntropy(), CLASSES)
    assert not failed(results)
    assert not any(result.kinks for result in results.values())


# What is broken on purpose


def breaking(monkeypatch, kind: str, change) -> None:
    """Let a layer's backward pass end with ``change(arrays)``."""
    member = Layer.members()[kind]
    backward = member.backward

    def broken(layer, arrays):
        backward(layer, arrays)
        change(arrays)

    monkeypatch.setattr(member, "backward", broken)


def scale(array, factor):
    array *= factor


def test_a_wrong_weight_gradient_fails_alone(monkeypatch):
    breaking(monkeypatch, "conv2d", lambda arrays: scale(arrays.sinks["weights"].target, 1.0001))
    assert failed(check_convnet()) == {"conv2d_1/weights"}


def test_a_wrong_bias_gradient_fails_alone(monkeypatch):
    breaking(monkeypatch, "dense_transposed", lambda arrays: scale(arrays.sinks["bias"].target, -1.0))
    assert failed(check_autoencoder()) == {"mirror/bias"}


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
def test_a_gradient_of_zero_or_nan_is_no_kink(monkeypatch, value: float):
    breaking(monkeypatch, "conv2d", lambda arrays: arrays.sinks["weights"].target.fill(value))
    assert failed(check_convnet()) == {"conv2d_1/weights"}


def test_a_loss_of_nan_fails(monkeypatch):
    evaluate = MeanSquaredError.evaluate

    def undefined(loss, outputs, targets, per_sample, gradient=None):
        evaluate(loss, outputs, targets, per_sample, gradient)
        per_sample[:] = np.nan

    monkeypatch.setattr(MeanSquaredError, "evaluate", undefined)
    assert failed(check_autoencoder()) == {"code/weights", "code/bias", "mirror/bias", "input"}


def test_a_wrong_input_gradient_fails_all_that_lies_before(monkeypatch):
    breaking(monkeypatch, "max_pool2d", lambda arrays: scale(arrays.d_inputs[0], 0.5))
    assert failed(check_convnet()) == {"conv2d_1/weights", "conv2d_1/bias", "input"}


def test_a_forgotten_penalty_fails(monkeypatch):
    monkeypatch.setattr(Layer.members()["sparsity"], "penalty", lambda layer, arrays: 0.0)
    assert {"code/weights", "code/bias"} <= failed(check_autoencoder())


def test_a_mask_that_changes_between_the_passes_fails(monkeypatch):
    breaking(monkeypatch, "dropout", lambda arrays: arrays.d_inputs[0].fill(1e-3))
    assert "dense_1/weights" in failed(check_mlp())


def test_a_wrong_slope_fails(monkeypatch):
    codes = {**activation_kernels.CODES, "tanh": activation_kernels.SCALED_TANH}
    plan = bias_kernels.backward.plan
    monkeypatch.setattr(
        bias_kernels.backward,
        "plan",
        lambda code, *arrays: plan(codes["tanh"] if code == activation_kernels.TANH else code, *arrays),
    )
    assert {"dense_1/weights", "dense_1/bias"} <= failed(check_mlp())


def test_ties_of_maxima_are_kinks():
    """A blank image: every window of the pooling layer ties, and central differences would agree on a mean slope."""
    layers = [{"type": "max_pool2d", "size": 2}, {"type": "dense", "units": 3}]
    graph = Graph.build(map(layer_of, layers), (4, 4, 1))
    *_, found = gradcheck(graph, SoftmaxCrossEntropy(), np.zeros((4, 4, 4, 1)), CLASSES, seed=0)
    assert found.name == "input"
    assert found.kinks > 0
    assert found.passed
