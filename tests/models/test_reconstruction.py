"""Up and back down, against products in float64 made by hand from the checkpoint's arrays."""

import numpy as np
import pytest

from dlcli.errors import CheckpointError, UsageError
from dlcli.models.reconstruction import reconstructor, squared_errors
from dlcli.trained import open_run
from tests.runs import PRETRAINED, SUPERVISED, changed, experiment, train

UNTRANSFORMED = changed(PRETRAINED, data__transform=[])
UNIT = changed(PRETRAINED, data__transform=[{"type": "scale", "by": 0.1, "offset": 0.5}])  # from 0 to 1
UP_DOWN = {"type": "rbm", "visible": "binary", "up_down": {"epochs": 1, "sgd": {"learning_rate": 0.1}}}
FUNCTIONS = {"sigmoid": lambda x: 1 / (1 + np.exp(-x)), "linear": lambda x: x, "relu": lambda x: np.maximum(x, 0)}


def open_trained(directory, mapping, stages="pretrain", **changes):
    train(directory, experiment(mapping, **changes), stages=stages)
    return open_run(directory)


def tensor(trained, name):
    found = trained.models[name] if name in trained.models else trained.network.parameters[name]
    return found.astype(np.float64)


def by_hand(trained, x, layers, functions, tail="mirror/bias"):
    """Through sigmoid layers and back; ``functions`` of the mirrors, by layer."""
    h, own = x.astype(np.float64), "encoder" if tail == "mirror/bias" else "rbm"
    for name in layers:
        h = FUNCTIONS["sigmoid"](h @ tensor(trained, f"{name}.{own}/weights") + tensor(trained, f"{name}.{own}/bias"))
    for name in reversed(layers):
        untied = f"{name}.mirror/weights" in trained.models
        weights = tensor(trained, f"{name}.mirror/weights") if untied else tensor(trained, f"{name}.{own}/weights").T
        h = FUNCTIONS[functions[name]](h @ weights + tensor(trained, f"{name}.{tail}"))
    return h


def reconstructed(trained, x, layer=None):
    pairs = list(reconstructor(trained, layer).pairs([trained.source(x)]))
    return np.concatenate([pair[0] for pair in pairs]), np.concatenate([pair[1] for pair in pairs])


@pytest.fixture
def samples():
    return np.random.default_rng(2).uniform(size=(130, 6)).astype(np.float32)


@pytest.mark.parametrize(
    ("method", "first"),
    [
        ({}, None),
        ({"tied": False}, None),
        ({"loss": "squared_error"}, None),
        ({"reconstruction": "sigmoid", "loss": "squared_error"}, "sigmoid"),
        ({"reconstruction": "linear"}, "linear"),
    ],
)
def test_autoencoders_lead_back_by_their_mirrors(tmp_path, samples, method, first):
    trained = open_trained(tmp_path / "run", PRETRAINED, pretrain__method={"type": "autoencoder", **method})
    units = {"hidden1": first or "linear", "hidden2": first or "sigmoid"}  # the data are standardised
    for layers in (("hidden1",), ("hidden1", "hidden2")):
        inputs, outputs = reconstructed(trained, samples, layers[-1])
        np.testing.assert_allclose(inputs, next(trained.source(samples).iterate(130)).x)
        np.testing.assert_allclose(outputs, by_hand(trained, inputs, layers, units), atol=2e-6)
    np.testing.assert_array_equal(reconstructed(trained, samples)[1], outputs)


def test_units_belong_to_the_data_that_pretraining_saw(tmp_path, samples):
    trained = open_trained(tmp_path / "run", PRETRAINED, data__transform=[{"type": "scale", "by": 0.0}])
    _, outputs = reconstructed(trained, samples, "hidden1")
    np.testing.assert_allclose(outputs, by_hand(trained, 0 * samples, ["hidden1"], {"hidden1": "sigmoid"}), atol=2e-6)


def test_notes_outlive_training_resumption_and_init(tmp_path):
    pretrained = open_trained(tmp_path / "first", PRETRAINED)
    assert set(pretrained.notes) == {"hidden1", "hidden2"}
    train(tmp_path / "second", experiment(PRETRAINED), init=tmp_path / "first")
    train(tmp_path / "first", experiment(PRETRAINED), resume=True)
    for name in ("first", "second"):
        assert open_run(tmp_path / name).notes == pretrained.notes


@pytest.mark.parametrize(("visible", "function"), [("binary", "sigmoid"), ("gaussian", "linear"), ("relu", "relu")])
def test_rbms_lead_back_by_their_visible_units_means(tmp_path, samples, visible, function):
    trained = open_trained(tmp_path / "run", UNIT, pretrain__method={"type": "rbm", "visible": visible})
    inputs, outputs = reconstructed(trained, samples, "hidden1")
    expected = by_hand(trained, inputs, ["hidden1"], {"hidden1": function}, "rbm/visible_bias")
    np.testing.assert_allclose(outputs, expected, atol=2e-6)


def test_learned_variances_weigh_the_way_up(tmp_path, samples):
    method = {"type": "rbm", "visible": {"type": "gaussian", "learn_variance": True}}
    trained = open_trained(tmp_path / "run", PRETRAINED, pretrain__method=method)
    weights, bias, visible_bias, log_variance = (
        tensor(trained, f"hidden1.rbm/{name}") for name in ("weights", "bias", "visible_bias", "log_variance")
    )
    assert np.abs(log_variance).max() > 1e-3
    inputs, outputs = reconstructed(trained, samples, "hidden1")
    h = FUNCTIONS["sigmoid"](inputs / np.exp(log_variance) @ weights + bias)
    np.testing.assert_allclose(outputs, h @ weights.T + visible_bias, atol=2e-6)


def test_images_come_back_as_images(tmp_path):
    source = {"type": "synthetic", "shape": [4, 4, 1], "classes": 3, "samples": 40}
    trained = open_trained(tmp_path / "run", PRETRAINED, data__source=source)
    inputs, outputs = reconstructed(trained, np.ones((3, 4, 4, 1), np.float32))
    assert inputs.shape == outputs.shape == (3, 4, 4, 1)


@pytest.mark.parametrize(("loss", "function"), [("mean_squared_error", "linear"), ("sigmoid_cross_entropy", "sigmoid")])
def test_a_network_that_gives_its_inputs_does_so_by_its_output(tmp_path, samples, loss, function):
    changes = {
        "network": [*SUPERVISED["network"][:1], {"type": "dense", "name": "output", "units": 6}],
        "loss": loss,
        "data__targets": "input",
        "data__transform": [{"type": "scale", "by": 0.0}],
    }
    trained = open_trained(tmp_path / "run", PRETRAINED, stages="all", **changes)
    inputs, outputs = reconstructed(trained, samples)
    h = FUNCTIONS["sigmoid"](inputs @ tensor(trained, "hidden1/weights") + tensor(trained, "hidden1/bias"))
    expected = FUNCTIONS[function](h @ tensor(trained, "output/weights") + tensor(trained, "output/bias"))
    np.testing.assert_allclose(outputs, expected, atol=2e-6)
    by_mirror = by_hand(trained, inputs, ["hidden1"], {"hidden1": "sigmoid"})
    np.testing.assert_allclose(reconstructed(trained, samples, "hidden1")[1], by_mirror, atol=2e-6)


@pytest.mark.parametrize("method", ["rbm", UP_DOWN, {"type": "autoencoder"}, {"type": "autoencoder", "tied": False}])
def test_layers_reconstruct_as_they_were_pretrained(tmp_path, samples, method):
    """Whatever supervised training has made of them."""
    of = changed(UNIT, pretrain__method=method)
    pretrained = open_trained(tmp_path / "run", of)
    before = reconstructed(pretrained, samples)[1]
    train(tmp_path / "run", experiment(of), resume=True)
    for trained in (open_run(tmp_path / "run"), open_trained(tmp_path / "at_once", of, stages="all")):
        np.testing.assert_array_equal(reconstructed(trained, samples)[1], before)
        name = "hidden1/weights"
        assert not np.array_equal(trained.network.parameters[name], pretrained.network.parameters[name])


def test_a_checkpoint_without_the_encoder_has_the_networks(tmp_path, samples):
    trained = open_trained(tmp_path / "run", PRETRAINED)
    expected = reconstructed(trained, samples)[1]
    for name in [name for name in trained.models if ".encoder/" in name]:
        del trained.models[name]
    np.testing.assert_array_equal(reconstructed(trained, samples)[1], expected)


@pytest.mark.parametrize("lateral", [{}, {"visible": False, "hidden": False}])
def test_a_general_machine_infers_its_units_by_mean_field(tmp_path, samples, lateral):
    method = {"type": "boltzmann_machine", "lateral": lateral}
    trained = open_trained(tmp_path / "run", UNIT, pretrain__method=method)
    own = {name.partition(".machine/")[2]: tensor(trained, name) for name in trained.models if "hidden1" in name}
    inputs, outputs = reconstructed(trained, samples)
    h, v = (np.full((len(inputs), units), 0.5) for units in (5, 6))
    for _ in range(300):
        h = FUNCTIONS["sigmoid"](
            inputs @ own["weights"] + h @ own.get("hidden_lateral", 0 * np.eye(5)) + own["hidden_bias"]
        )
    for _ in range(300):
        v = FUNCTIONS["sigmoid"](
            h @ own["weights"].T + v @ own.get("visible_lateral", 0 * np.eye(6)) + own["visible_bias"]
        )
    np.testing.assert_allclose(outputs, v, atol=1e-5)
    with pytest.raises(UsageError, match="hidden2 is no machine of the samples: there is no way down from it"):
        reconstructor(trained, "hidden2")


def test_machines_through_which_nothing_comes_back(tmp_path, samples):
    method = {"type": "boltzmann_machine", "hidden": False}
    fully_visible = open_trained(tmp_path / "a", UNIT, pretrain__method=method, pretrain__layers=["hidden1"])
    with pytest.raises(UsageError, match="found a machine without hidden units"):
        reconstructed(fully_visible, samples)
    network = [*SUPERVISED["network"][:3], {"type": "class_rbm", "name": "top", "units": 7, "classes": 3}]
    for layers, asked in ((["top"], None), (["top"], "top"), (None, "top")):
        changes = {"network": network, "pretrain__layers": layers}
        trained = open_trained(tmp_path / f"{layers}{asked}", PRETRAINED, pretrain__method="rbm", **changes)
        with pytest.raises(
            UsageError, match=r"top \(class_rbm\) was pretrained with labels beside its inputs, and leads"
        ):
            reconstructor(trained, asked)
    assert reconstructed(trained, samples)[1].shape == samples.shape


def test_a_belief_net_goes_up_by_recognition_and_comes_down_by_generation(tmp_path, samples):
    of = changed(UNIT, pretrain__method=UP_DOWN, sgd__learning_rate=1.0)
    before = open_trained(tmp_path / "run", of).network.parameters["hidden1/weights"]
    train(tmp_path / "run", experiment(of), resume=True)
    trained = open_run(tmp_path / "run")
    up, bias = (tensor(trained, f"hidden1.recognition/{name}") for name in ("weights", "bias"))
    np.testing.assert_array_equal(up, before)
    for other in ("hidden1.rbm/weights", "hidden1/weights"):
        assert np.abs(up - tensor(trained, other)).max() > 1e-3
    inputs, outputs = reconstructed(trained, samples, "hidden1")
    h = FUNCTIONS["sigmoid"](inputs @ up + bias)
    down = h @ tensor(trained, "hidden1.generation/weights") + tensor(trained, "hidden1.generation/bias")
    np.testing.assert_allclose(outputs, FUNCTIONS["sigmoid"](down), atol=2e-6)


def test_a_belief_net_without_its_recognition_goes_up_by_the_networks(tmp_path, samples):
    """A checkpoint of an earlier version."""
    trained = open_trained(tmp_path / "run", UNIT, pretrain__method=UP_DOWN)
    expected = reconstructed(trained, samples)[1]
    for name in [name for name in trained.models if ".recognition/" in name]:
        del trained.models[name]
    np.testing.assert_array_equal(reconstructed(trained, samples)[1], expected)


def test_a_deep_boltzmann_machine_infers_its_layers_by_mean_field(tmp_path, samples):
    network = [layer for layer in SUPERVISED["network"] if layer["type"] == "dense"]
    joint = {"epochs": 1, "mean_field_steps": 200, "sgd": {"learning_rate": 0.01}}
    method = {"type": "dbm", "joint_training": joint}
    trained = open_trained(tmp_path / "run", UNIT, network=network, pretrain__method=method)
    (w1, c1, b), (w2, c2) = (
        [tensor(trained, f"{name}.dbm/{kind}") for kind in kinds]
        for name, kinds in (("hidden1", ("weights", "bias", "visible_bias")), ("hidden2", ("weights", "bias")))
    )
    inputs, outputs = reconstructed(trained, samples)
    sigmoid = FUNCTIONS["sigmoid"]
    h2 = np.full((len(inputs), 4), 0.5)
    for _ in range(500):
        h1 = sigmoid(inputs @ w1 + c1 + h2 @ w2.T)
        h2 = sigmoid(h1 @ w2 + c2)
    np.testing.assert_allclose(outputs, sigmoid(h1 @ w1.T + b), atol=1e-5)


@pytest.mark.parametrize("pooling", ["switches", "upsampling"])
def test_convolutions_lead_back_through_the_pooling_behind_them(tmp_path, pooling):
    """A dense layer above, so that the way back passes all: 6 × 6, filters 3 × 3, pools 2 × 2."""
    network = [
        {"type": "conv2d", "name": "conv", "filters": 2, "kernel_size": 3, "activation": "tanh"},
        {"type": "max_pool2d", "name": "pool", "size": 2},
        {"type": "dense", "name": "hidden", "units": 4, "activation": "sigmoid"},
        {"type": "dense", "name": "output", "units": 3},
    ]
    source = {"type": "synthetic", "shape": [6, 6, 1], "classes": 3, "samples": 30}
    changes = {"network": network, "data__source": source, "pretrain__layers": ["conv", "hidden"]}
    changes["pretrain__sgd__learning_rate"] = 0.001
    method = {"type": "autoencoder", "pooling": pooling, "reconstruction": "linear"}
    trained = open_trained(tmp_path / "run", UNTRANSFORMED, pretrain__method=method, **changes)
    x = np.random.default_rng(3).normal(size=(2, 6, 6, 1)).astype(np.float32)
    weights, bias = tensor(trained, "conv/weights")[:, :, 0], tensor(trained, "conv/bias")
    for layer in ("conv", "hidden"):
        _, outputs = reconstructed(trained, x, layer)
        for sample, output in zip(x[..., 0].astype(np.float64), outputs[..., 0], strict=True):
            windows = np.lib.stride_tricks.sliding_window_view(sample, (3, 3))
            y = np.tanh(np.einsum("ijpq,pqf->ijf", windows, weights) + bias)
            pooled = y.reshape(2, 2, 2, 2, 2).max(axis=(1, 3))
            code = pooled
            if layer == "hidden":
                functions = {"hidden": "linear"}
                code = by_hand(trained, pooled.reshape(1, -1), ["hidden"], functions).reshape(2, 2, 2)
            expected = np.full((6, 6), float(tensor(trained, "conv.mirror/bias")[0]))
            for f in range(2):
                places = y[..., f] == pooled[..., f].repeat(2, axis=0).repeat(2, axis=1)
                back = code[..., f].repeat(2, axis=0).repeat(2, axis=1)
                back = back if pooling == "upsampling" else np.where(places, back, 0)
                for i in range(4):
                    for j in range(4):
                        expected[i : i + 3, j : j + 3] += back[i, j] * weights[..., f]
            np.testing.assert_allclose(output, expected, atol=1e-5)


def test_k_winners_stand_before_the_mirror(tmp_path, samples):
    method = {"type": "autoencoder", "k_winners": 2, "reconstruction": "linear"}
    trained = open_trained(tmp_path / "run", UNTRANSFORMED, pretrain__method=method)
    inputs, outputs = reconstructed(trained, samples, "hidden1")
    h = FUNCTIONS["sigmoid"](inputs @ tensor(trained, "hidden1/weights") + tensor(trained, "hidden1/bias"))
    h[h < np.sort(h, axis=1)[:, -2:-1]] = 0
    expected = h @ tensor(trained, "hidden1/weights").T + tensor(trained, "hidden1.mirror/bias")
    np.testing.assert_allclose(outputs, expected, atol=2e-6)


def test_errors_are_sums_of_squares():
    x, y = np.float32([[[1, 2], [3, 4]], [[0, 0], [0, 0]]]), np.float32([[[1, 0], [3, 3]], [[0, 0], [0.5, 0]]])
    assert squared_errors(x, y).tolist() == [5.0, 0.25]


def test_without_a_way_back(tmp_path):
    trained = open_trained(tmp_path / "none", SUPERVISED, stages="all", training__epochs=0)
    with pytest.raises(UsageError, match="found no pretrained layer and no network trained to give its inputs"):
        reconstructor(trained)
    network = [*SUPERVISED["network"]]
    network[1] = {"type": "activation", "function": "tanh"}
    trained = open_trained(tmp_path / "between", PRETRAINED, network=network)
    with pytest.raises(UsageError, match=r"there is no way back through activation_1 \(activation\)"):
        reconstructor(trained)
    reconstructor(trained, "hidden1")
    with pytest.raises(UsageError, match="output was not pretrained; expected one of: hidden1, hidden2"):
        reconstructor(trained, "output")
    softmax = open_trained(
        tmp_path / "softmax", PRETRAINED, pretrain__method={"type": "rbm", "visible": {"type": "softmax", "size": 3}},
        pretrain__layers=["hidden1"],
    )  # fmt: skip
    with pytest.raises(UsageError, match="by softmax units; expected one of: binary, gaussian, relu"):
        reconstructor(softmax)


@pytest.mark.parametrize("note", [{"mirror": 3}, {"mirror": [["m", {"type": "no"}]]}, {"mirror": [["m", {}]]}, 5])
def test_notes_that_are_none_of_dlcli(tmp_path, note):
    trained = open_trained(tmp_path / "run", PRETRAINED)
    trained.notes["hidden1"] = note
    with pytest.raises(CheckpointError, match="its notes on hidden1 are not those of dlcli"):
        reconstructor(trained)
