"""Autoencoders of convolutions, with and without the pooling that follows; k winners; contraction; a running mean."""

import numpy as np
import pytest

from dlcli.data.pipeline import BatchSource, prepare
from dlcli.errors import MisfitError
from dlcli.graph import Graph
from dlcli.layers.conv2d import Conv2d
from dlcli.layers.dense import Dense
from dlcli.layers.max_pool2d import MaxPool2d
from dlcli.models.reconstruction import reconstructor, squared_errors
from dlcli.network import Network
from dlcli.optim.schedules.base import Clock
from dlcli.optim.sgd import Sgd
from dlcli.pretrain.base import Task
from dlcli.pretrain.methods.autoencoder import MIRROR, Autoencoder
from dlcli.trained import open_run
from tests.layers.naive import sigmoid
from tests.runs import SUPERVISED, Recorder, experiment, last, outcome, train, train_until

RANDOM = np.random.default_rng(4)
UNIT = RANDOM.random((20, 6), np.float32)
IMAGES = RANDOM.random((8, 6, 4, 2), np.float32)
WIDE = IMAGES * 4 - 1


def folded(method, inputs, layers, **sgd):
    """The autoencoder of a network's first layer."""
    network = Network(Graph.build([*layers, Dense(name="output", units=2)], inputs.shape[1:]), seed=3)
    network.initialise()
    node = network.graph.nodes[0]
    method.check(node)
    method.check_in(network.graph, node)
    sgd = {"learning_rate": 1.0, "momentum": 0.0} | sgd
    task = Task((node,), network, BatchSource(inputs, inputs), None, Sgd(**sgd))
    return network, method.objective(task)


def step(objective, inputs, number=0):
    return objective.step(next(BatchSource(inputs, inputs).iterate(len(inputs))), Clock(number, 1, 1)).loss / len(
        inputs
    )


def seen(objective, name, samples):
    return objective.network.outputs(samples)[name]


def dense(activation="sigmoid", units=4):
    return [Dense(name="hidden", units=units, activation=activation)]


def conv(**options):
    return Conv2d(name="conv", filters=3, kernel_size=3, padding="same", activation="sigmoid", **options)


# Noise


@pytest.mark.parametrize("noise", ["masking", "salt_and_pepper", "gaussian"])
def test_noise_changes_inputs_in_training_and_their_targets_are_whole(noise):
    inputs = WIDE.reshape(8, -1)
    _, objective = folded(Autoencoder(noise=noise, corruption=0.4), inputs, dense(), learning_rate=1e-9)
    whole = objective.evaluate(BatchSource(inputs, inputs), 8)["loss"]
    loss = step(objective, inputs)
    found = seen(objective, "hidden.noise", 8)
    changed = found != inputs
    if noise == "gaussian":
        assert changed.all()
        assert (found - inputs).std() == pytest.approx(0.4, abs=0.05)
    else:
        assert 0.3 < changed.mean() < 0.5
        others = {0.0} if noise == "masking" else {inputs.min(), inputs.max()}
        assert set(found[changed].tolist()) <= set(map(float, others))
    tensors = {name: array.astype(np.float64) for name, array in objective.tensors().items()}
    h = np.vectorize(sigmoid)(found @ tensors["hidden/weights"] + tensors["hidden/bias"])
    x = h @ tensors["hidden/weights"].T + tensors["hidden.mirror/bias"]
    assert loss == pytest.approx(np.mean(np.sum((x - inputs) ** 2, axis=1)) / 2, rel=1e-4)
    assert abs(loss - whole) > 1e-3


@pytest.mark.parametrize("noise", ["masking", "salt_and_pepper"])
def test_a_share_is_below_1_and_a_deviation_need_not_be(noise):
    with pytest.raises(ValueError, match="found 1, expected a share below 1"):
        Autoencoder(noise=noise, corruption=1.0)
    assert Autoencoder(noise="gaussian", corruption=1.5).corruption == 1.5


@pytest.mark.parametrize("noise", ["masking", "salt_and_pepper", "gaussian"])
def test_noise_without_corruption_is_refused(noise):
    with pytest.raises(ValueError, match=f"found noise {noise} without corruption"):
        Autoencoder(noise=noise)
    whole = Autoencoder(noise=noise, corruption=0.0)  # says so itself: a layer among others that are corrupted
    assert Autoencoder.model_validate(whole.model_dump()) == whole
    assert Autoencoder.model_validate(Autoencoder().model_dump()) == Autoencoder()


def test_a_layers_own_corruption_is_of_the_common_noise():
    of = experiment(
        SUPERVISED,
        pretrain__method={"type": "autoencoder", "noise": "gaussian", "corruption": 0.1},
        pretrain__layers=["hidden1", {"name": "hidden2", "method": {"corruption": 2.0}}],
    )
    method = of.pretrain.of("hidden2").method
    assert (method.noise, method.corruption) == ("gaussian", 2.0)


# Units


def test_reconstructions_suit_the_layer_below(tmp_path):
    """Cross-entropy of what lies in [0, 1]; squared error of what relu, tanh and linear units give."""
    x = RANDOM.random((30, 5), np.float32)
    below = {
        "sigmoid": (1 / (1 + np.exp(-x)), "SigmoidCrossEntropy"),
        "relu": (np.maximum(3 * x - 1, 0), "MeanSquaredError"),
        "tanh": (np.tanh(x - 0.5), "MeanSquaredError"),
        "linear": (x - 0.5, "MeanSquaredError"),
        "softplus": (np.log1p(np.exp(x + 1)), "MeanSquaredError"),
    }
    for inputs, loss in below.values():
        activation, found = Autoencoder()._reconstruction(inputs.astype(np.float32))
        assert (activation, type(found).__name__) == ("linear", loss)


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "relu", "linear", "softplus"])
def test_a_stack_of_any_units_learns_to_reconstruct(tmp_path, activation):
    layers = [layer | {"activation": activation} if "hidden" in layer.get("name", "") else layer for layer in LAYERS]
    of = experiment(
        SUPERVISED, network=layers, pretrain={"method": "autoencoder", "epochs": 8, "sgd": {"learning_rate": 0.02}}
    )
    reporter = Recorder()
    train(tmp_path / "run", of, stages="pretrain", reporter=reporter)
    for stage in ("pretrain/hidden1", "pretrain/hidden2"):
        losses = [row["validation_loss"] for row in reporter.rows if row["stage"] == stage]
        assert losses[-1] < losses[0]


LAYERS = SUPERVISED["network"]


# Sparse


@pytest.mark.parametrize("tied", [True, False])
def test_only_the_most_active_units_reconstruct(tied):
    _, objective = folded(Autoencoder(k_winners=2, tied=tied), UNIT, dense(units=5))
    for _ in range(2):
        step(objective, UNIT)
        h, kept = seen(objective, "hidden", 20), seen(objective, "hidden.k_winners", 20)
        order = np.argsort(-h, axis=1)
        for sample in range(20):
            assert set(np.flatnonzero(kept[sample])) == set(order[sample, :2])
    objective.evaluate(BatchSource(UNIT, UNIT), 20)
    assert (np.count_nonzero(seen(objective, "hidden.k_winners", 20), axis=1) == 2).all()


def test_there_must_be_as_many_units():
    with pytest.raises(ValueError, match="found 5 k_winners, expected at most the 4 of hidden"):
        folded(Autoencoder(k_winners=5), UNIT, dense())


def test_the_mean_activity_is_a_running_one():
    """From the target on; penalty and gradient are those of the divergence at it."""
    sparsity = {"target": 0.2, "weight": 3.0, "running_mean": 0.75}
    _, plain = folded(Autoencoder(), UNIT, dense(), learning_rate=1e-6)
    _, objective = folded(Autoencoder(sparsity=sparsity), UNIT, dense(), learning_rate=1e-6)
    running = np.full(4, 0.2)
    for number in range(3):
        weights = objective.tensors()["hidden/weights"].astype(np.float64)
        before, before_plain = (o.tensors()["hidden/bias"].astype(np.float64) for o in (objective, plain))
        h = 1 / (1 + np.exp(-(UNIT @ weights + before)))
        loss, unpenalised = step(objective, UNIT, number), step(plain, UNIT, number)
        running = 0.75 * running + 0.25 * h.mean(axis=0)
        np.testing.assert_allclose(objective.tensors()["hidden.sparsity/activity"], running, rtol=1e-5)
        divergence = 0.2 * np.log(0.2 / running) + 0.8 * np.log(0.8 / (1 - running))
        assert loss - unpenalised == pytest.approx(3 * divergence.sum(), rel=1e-3, abs=1e-4)
        slope = 3 / 20 * (0.8 / (1 - running) - 0.2 / running) * np.sum(h * (1 - h), axis=0)
        moved = objective.tensors()["hidden/bias"] - before - (plain.tensors()["hidden/bias"] - before_plain)
        np.testing.assert_allclose(-moved * 1e6, slope, rtol=1e-2, atol=1e-2)


def test_a_running_mean_is_kept_and_resumed(tmp_path):
    method = {"type": "autoencoder", "sparsity": {"weight": 0.5, "running_mean": 0.9}}
    of = experiment(SUPERVISED, pretrain={"method": method, "epochs": 2, "sgd": {"learning_rate": 0.2}})
    train(tmp_path / "whole", of)
    train_until(tmp_path / "run", 9, of)
    assert last(tmp_path / "run").tensors["hidden1.sparsity/activity"].shape == (5,)
    train(tmp_path / "run", of, resume=True)
    assert outcome(tmp_path / "run") == outcome(tmp_path / "whole")


# Contractive


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("activation", ["sigmoid", "tanh"])
def test_the_contractive_loss_and_its_gradient(activation, tied):
    """Against the Jacobian's squared norm in float64; one step from rest moves parameters by −ε ∂C/∂w."""
    method = Autoencoder(contraction=0.7, tied=tied, reconstruction="linear")
    _, objective = folded(method, UNIT, dense(activation))
    names = ["hidden/weights", "hidden/bias", *([] if tied else ["hidden.mirror/weights"])]
    tensors = {name: array.astype(np.float64) for name, array in objective.tensors().items()}

    def loss() -> float:
        w, c = tensors["hidden/weights"], tensors["hidden.mirror/bias"]
        a = UNIT @ w + tensors["hidden/bias"]
        h = np.tanh(a) if activation == "tanh" else 1 / (1 + np.exp(-a))
        slopes = 1 - h * h if activation == "tanh" else h * (1 - h)
        jacobians = slopes[:, None, :] * w  # (samples, inputs, units)
        y = h @ tensors.get("hidden.mirror/weights", w.T) + c
        return np.mean(np.sum((y - UNIT) ** 2, axis=1)) / 2 + 0.7 * np.mean(np.sum(jacobians**2, axis=(1, 2)))

    assert step(objective, UNIT) == pytest.approx(loss(), rel=1e-5)
    after = objective.tensors()
    for name in names:
        for place in np.ndindex(tensors[name].shape):
            before, values = tensors[name][place], []
            for offset in (1e-5, -1e-5):
                tensors[name][place] = before + offset
                values.append(loss())
            tensors[name][place] = before
            slope = (values[0] - values[1]) / 2e-5
            assert before - float(after[name][place]) == pytest.approx(slope, rel=2e-4, abs=2e-5), (name, place)


def test_contraction_flattens_the_code():
    norms = []
    for contraction in (0.0, 0.5):
        network, objective = folded(Autoencoder(contraction=contraction), UNIT, dense(), learning_rate=0.1)
        for number in range(200):
            step(objective, UNIT, number)
        w = network.parameters["hidden/weights"].astype(np.float64)
        h = 1 / (1 + np.exp(-(UNIT @ w + network.parameters["hidden/bias"])))
        norms.append(np.mean((h * (1 - h)) ** 2 @ (w**2).sum(axis=0)))
    assert norms[1] < norms[0] / 2


@pytest.mark.parametrize(("layer", "message"), [(dense("relu")[0], "hidden is relu dense"), (conv(), "sigmoid conv2d")])
def test_contraction_is_for_dense_sigmoid_and_tanh_layers(layer, message):
    with pytest.raises(ValueError, match=f"dense layers of sigmoid or tanh units, .*{message}"):
        folded(Autoencoder(contraction=0.1), IMAGES, [layer])


# Convolutions


def correlate(x, weights):
    """`same` cross-correlation with a 3 × 3 kernel, in float64, channels last."""
    padded = np.pad(x.astype(np.float64), ((0, 0), (1, 1), (1, 1), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
    return np.einsum("nhwcij,ijcf->nhwf", windows, weights.astype(np.float64))


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("pooling", [None, "switches", "upsampling"])
def test_a_convolution_reconstructs_its_inputs(pooling, tied):
    pool = MaxPool2d(name="pool", size=2)
    _, objective = folded(Autoencoder(pooling=pooling, tied=tied), IMAGES, [conv(), pool])
    tensors = {name: array.copy() for name, array in objective.tensors().items()}
    h = np.vectorize(sigmoid)(correlate(IMAGES, tensors["conv/weights"]))
    cells = h.reshape(8, 3, 2, 2, 2, 3)
    largest = cells.max(axis=(2, 4), keepdims=True)
    code = {
        None: h,
        "switches": np.where(cells == largest, cells, 0).reshape(h.shape),
        "upsampling": np.broadcast_to(largest, cells.shape).reshape(h.shape),
    }[pooling]
    back = tensors["conv/weights" if tied else "conv.mirror/weights"][::-1, ::-1].swapaxes(2, 3)
    y = np.vectorize(sigmoid)(correlate(code, back) + tensors["conv.mirror/bias"])
    expected = -np.mean(np.sum(IMAGES * np.log(y) + (1 - IMAGES) * np.log(1 - y), axis=(1, 2, 3)))
    source = BatchSource(IMAGES, IMAGES)
    assert objective.evaluate(source, 3)["loss"] == pytest.approx(expected, rel=1e-5)
    mirror, encoder = ["conv.mirror/bias"], ["conv.encoder/weights", "conv.encoder/bias"]
    assert objective.kept().keys() == {*mirror, *encoder, *([] if tied else ["conv.mirror/weights"])}


@pytest.mark.parametrize("pooling", [None, "switches", "upsampling"])
def test_it_learns_to(pooling):
    layers = [conv(), MaxPool2d(name="pool", size=2)]
    _, objective = folded(Autoencoder(pooling=pooling), IMAGES, layers, learning_rate=0.02)
    source = BatchSource(IMAGES, IMAGES)
    before = objective.evaluate(source, 8)["loss"]
    for number in range(60):
        step(objective, IMAGES, number)
    assert objective.evaluate(source, 8)["loss"] < before - 0.5


CONVOLUTIONAL = SUPERVISED | {
    "data": SUPERVISED["data"] | {"source": {"type": "synthetic", "shape": [8, 8, 1], "classes": 3, "samples": 40}},
    "network": [
        {"type": "conv2d", "name": "conv1", "filters": 3, "kernel_size": 3, "padding": "same", "activation": "relu"},
        {"type": "max_pool2d", "name": "pool1", "size": 2},
        {"type": "conv2d", "name": "conv2", "filters": 4, "kernel_size": 3, "activation": "relu"},
        {"type": "avg_pool2d", "name": "pool2", "size": 2},
        {"type": "dense", "name": "output", "units": 3},
    ],
    "pretrain": {"method": {"type": "autoencoder"}, "epochs": 2, "sgd": {"learning_rate": 0.0005}},
}


@pytest.mark.parametrize("layers", [None, ["conv1", "conv2"]])
def test_stages_pass_the_pooling_between(tmp_path, layers):
    reporter = Recorder()
    of = experiment(CONVOLUTIONAL, pretrain__layers=layers, pretrain__method__pooling="upsampling")
    train(tmp_path / "run", of, reporter=reporter)
    assert reporter.stages == ["pretrain/conv1", "pretrain/conv2", "supervised"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pooling": "switches"}, r"pool2 \(avg_pool2d\) has no switches; expected max_pool2d, or pooling: upsampling"),
        ({"pooling": "upsampling"}, "pool1 does not cut its inputs of 8 × 8 into windows of 2 × 2 side by side"),
    ],
)
@pytest.mark.parametrize("named", [True, False])
def test_pooling_without_that_way_back(tmp_path, changes, message, named):
    network = [dict(layer) for layer in CONVOLUTIONAL["network"]]
    if changes["pooling"] == "upsampling":
        network[1]["stride"] = 1
    layers = ["conv1", {"name": "conv2"}] if named else None
    of = experiment(
        CONVOLUTIONAL, network=network, pretrain__layers=layers, pretrain__method={"type": "autoencoder", **changes}
    )
    with pytest.raises(MisfitError, match=message) as misfit:
        train(tmp_path / "run", of)
    place = 1 if changes["pooling"] == "switches" else 0
    assert misfit.value.path == (("pretrain", "layers", place) if named else ("pretrain", "method"))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "pool", [{"size": 2, "stride": 1}, {"size": 3}, {"size": 2, "padding": 1}, {"size": [2, 3], "rounding": "up"}]
)
def test_only_windows_side_by_side_are_upsampled(pool):
    with pytest.raises(ValueError, match="does not cut its inputs"):
        folded(Autoencoder(pooling="upsampling"), IMAGES, [conv(), MaxPool2d(name="pool", **pool)])
    _, objective = folded(Autoencoder(pooling="switches"), IMAGES, [conv(), MaxPool2d(name="pool", **pool)])
    assert np.isfinite(step(objective, IMAGES))


@pytest.mark.parametrize("named", [True, False])
def test_pooling_that_no_layer_has_behind_it_is_refused(tmp_path, named):
    layers, method = ["hidden1", "hidden2"], {"type": "autoencoder", "pooling": "switches"}
    of = experiment(SUPERVISED, pretrain__method=method, pretrain__layers=layers if named else None)
    message = "found pooling switches, and no pooling follows hidden1 or any other layer"
    with pytest.raises(MisfitError, match=message) as misfit:
        train(tmp_path / "run", of)
    assert misfit.value.path == (("pretrain", "layers", 0) if named else ("pretrain", "method"))


def test_pooling_need_not_follow_every_layer():
    network = [conv(), MaxPool2d(name="pool", size=2), Dense(name="code", units=3), Dense(name="output", units=2)]
    graph = Graph.build(network, (6, 4, 2))
    Autoencoder(pooling="switches").check_in(graph, graph.node("code"))


# What is noted, so that checkpoints can reconstruct


@pytest.mark.parametrize(
    ("mapping", "method", "layer", "noted"),
    [
        ("CONVOLUTIONAL", {"pooling": "upsampling"}, "conv1", ["conv1.pool", "conv1.unpool", "conv1.mirror"]),
        ("CONVOLUTIONAL", {"pooling": "switches"}, "conv1", ["conv1.pool", "conv1.unpool", "conv1.mirror"]),
        ("SUPERVISED", {"k_winners": 2}, "hidden1", ["hidden1.k_winners", "hidden1.mirror"]),
    ],
)
def test_pooling_and_winners_stand_on_the_way_back(tmp_path, mapping, method, layer, noted):
    """Its squared error is the stage's own, by the checkpoint's notes alone."""
    method = {"type": "autoencoder", **method}
    pretrain = {"method": method, "layers": [layer], "epochs": 1, "sgd": {"learning_rate": 0.0005}}
    of, reporter = experiment(globals()[mapping], pretrain=pretrain), Recorder()
    train(tmp_path / "run", of, stages="pretrain", reporter=reporter)
    trained = open_run(tmp_path / "run", "last")
    assert {name: [own for own, _ in note[MIRROR]] for name, note in trained.notes.items()} == {layer: noted}
    validation = prepare(of.data, trained.statistics).validation
    errors = [squared_errors(*pair) for pair in reconstructor(trained, layer).pairs([validation])]
    assert np.concatenate(errors).mean() / 2 == pytest.approx(reporter.rows[-1]["validation_loss"], rel=1e-5)
