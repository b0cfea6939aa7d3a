"""Deep autoencoders, whose targets are their inputs and whose decoders start as mirrors."""

import numpy as np
import pytest

from dlcli import wiring
from dlcli.config.load import from_text
from dlcli.data.pipeline import prepare
from dlcli.errors import ConfigError, MisfitError
from dlcli.graph import Graph
from dlcli.layers.conv2d import Conv2d
from dlcli.layers.conv_transpose2d import ConvTranspose2d
from dlcli.layers.dense import Dense
from dlcli.network import Network
from dlcli.pretrain.greedy import nodes_to_pretrain
from dlcli.pretrain.unroll import unroll
from dlcli.trained import evaluate, open_run, predict
from tests.runs import SUPERVISED, bits, experiment, last, outcome, train, train_until

DEEP = SUPERVISED | {
    "data": SUPERVISED["data"] | {"targets": "input"},
    "network": [
        {"type": "dense", "name": "encoder1", "units": 5, "activation": "sigmoid"},
        {"type": "dense", "name": "code", "units": 3},
        {"type": "dense", "name": "decoder1", "units": 5, "activation": "sigmoid", "mirrors": "code"},
        {"type": "dense", "name": "output", "units": 6, "mirrors": "encoder1"},
    ],
    "loss": "mean_squared_error",
    "pretrain": {"method": {"type": "autoencoder"}, "epochs": 2, "sgd": {"learning_rate": 0.1}},
}
HALVES = {"decoder1": "code", "output": "encoder1"}


def test_mirrors_are_pretrained_by_nobody():
    of = experiment(DEEP)
    graph = Graph.build(of.network, (6,))
    assert [node.name for node in nodes_to_pretrain(of.pretrain, graph)] == ["encoder1", "code"]
    for name, mirrored in HALVES.items():
        named = experiment(DEEP, pretrain__layers=["encoder1", name])
        with pytest.raises(MisfitError, match=f"{name} starts as {mirrored}'s mirror") as misfit:
            nodes_to_pretrain(named.pretrain, graph)
        assert misfit.value.path == ("pretrain", "layers", 1)


@pytest.mark.parametrize("tied", [True, False])
def test_the_decoder_starts_as_the_encoder_seen_from_the_other_side(tmp_path, tied):
    method = {"type": "autoencoder", "tied": tied}
    train(tmp_path / "first", experiment(DEEP, pretrain__method=method), stages="pretrain")
    kept = open_run(tmp_path / "first").models
    train(tmp_path / "run", experiment(DEEP, pretrain__method=method, training__epochs=0))
    found = last(tmp_path / "run").tensors
    for name, mirrored in HALVES.items():
        transposed = found[f"{mirrored}/weights"].T
        expected = transposed if tied else kept[f"{mirrored}.mirror/weights"]
        np.testing.assert_array_equal(found[f"{name}/weights"], expected)
        np.testing.assert_array_equal(found[f"{name}/bias"], kept[f"{mirrored}.mirror/bias"])
        assert kept[f"{mirrored}.mirror/bias"].any()
        assert tied == np.array_equal(found[f"{name}/weights"], transposed)


def test_the_halves_then_learn_on_their_own(tmp_path):
    train(tmp_path / "run", experiment(DEEP))
    found = last(tmp_path / "run").tensors
    for name, mirrored in HALVES.items():
        assert not np.allclose(found[f"{name}/weights"], found[f"{mirrored}/weights"].T)


def test_without_pretraining_it_starts_as_the_initial_encoder(tmp_path):
    train(tmp_path / "run", experiment(DEEP, pretrain=None, training__epochs=0))
    found = last(tmp_path / "run").tensors
    np.testing.assert_array_equal(found["output/weights"], found["encoder1/weights"].T)
    assert not found["output/bias"].any()


def test_an_rbms_visible_biases_become_the_mirrors():
    graph = Graph.build(experiment(DEEP).network, (6,))
    network = Network(graph, seed=1)
    network.initialise()
    visible = np.arange(6, dtype=np.float32)
    unroll(network, {"encoder1.rbm/visible_bias": visible, "code.rbm/hidden_bias": visible})
    np.testing.assert_array_equal(network.parameters["output/bias"], visible)
    assert not network.parameters["decoder1/bias"].any()


@pytest.mark.parametrize("step", [5, 13, 26, 34])
def test_it_resumes_in_any_stage_bit_for_bit(tmp_path, step):
    """In both layers' pretraining, and in fine-tuning, which must not start at the encoder's weights again."""
    train(tmp_path / "whole", experiment(DEEP))
    train_until(tmp_path / "run", step, experiment(DEEP))
    train(tmp_path / "run", experiment(DEEP), resume=True)
    assert outcome(tmp_path / "run") == outcome(tmp_path / "whole")


def test_pretraining_that_another_run_did_is_unrolled_and_training_is_not(tmp_path):
    train(tmp_path / "first", experiment(DEEP), stages="pretrain")
    train(tmp_path / "second", experiment(DEEP), init=tmp_path / "first")
    train(tmp_path / "whole", experiment(DEEP))
    assert outcome(tmp_path / "second")["tensors"] == outcome(tmp_path / "whole")["tensors"]
    still = experiment(DEEP, training__epochs=0)
    train(tmp_path / "third", still, init=tmp_path / "whole" / "checkpoints" / "last.safetensors")
    before, after = bits(last(tmp_path / "whole")), bits(last(tmp_path / "third"))
    assert before["output/weights"] == after["output/weights"]


def test_its_errors_are_those_of_the_reconstruction(tmp_path):
    """Against the transformed samples, by hand; a prediction is a reconstruction."""
    of = experiment(DEEP)
    summary = train(tmp_path / "run", of)
    trained = open_run(tmp_path / "run")
    data = of.data.source.load()
    (batch,) = prepare(of.data).test.iterate(20)
    outputs = [row["output"] for row in predict(trained, [data.test.x])]
    loss = np.mean(np.sum((np.array(outputs) - batch.x) ** 2, axis=1)) / 2
    assert summary["test_loss"] == pytest.approx(loss, rel=1e-5)
    assert summary["test_error"] is None
    found = evaluate(trained, "test")
    assert (found["loss"], found["error"]) == (pytest.approx(loss, rel=1e-5), None)


def test_images_are_compared_with_rows_of_as_many_numbers(tmp_path):
    images = {"type": "synthetic", "shape": [3, 2, 2], "classes": 3, "samples": 20, "test_samples": 5}
    layers = [{"type": "dense", "name": "code", "units": 4}, {"type": "dense", "name": "output", "units": 12}]
    of = experiment(DEEP, data__source=images, data__transform=[], network=layers, pretrain=None, training__epochs=1)
    summary = train(tmp_path / "run", of)
    x = of.data.source.load().test.x.reshape(5, 12)
    outputs = np.array([row["output"] for row in predict(open_run(tmp_path / "run"), [x.reshape(5, 3, 2, 2)])])
    assert summary["test_loss"] == pytest.approx(np.mean(np.sum((outputs - x) ** 2, axis=1)) / 2, rel=1e-5)


def test_the_loss_must_be_made_for_such_samples(tmp_path):
    of = experiment(DEEP, loss="sigmoid_cross_entropy")
    with pytest.raises(MisfitError, match="found the target .*, expected numbers from 0 to 1") as misfit:
        wiring.build_graph(of, prepare(of.data))
    assert misfit.value.path == ("loss",)


def test_layers_that_mirror_a_convolution():
    layers = [
        Conv2d(name="conv", filters=3, kernel_size=2, stride=2),
        ConvTranspose2d(name="back", filters=1, kernel_size=2, stride=2, mirrors="conv"),
    ]
    network = Network(Graph.build(layers, (4, 4, 1)), seed=2)
    network.initialise()
    unroll(network, {"conv.mirror/bias": np.array([0.5], np.float32)})
    np.testing.assert_array_equal(network.parameters["back/weights"], network.parameters["conv/weights"])
    assert network.parameters["back/bias"] == [0.5]


@pytest.mark.parametrize(
    ("layers", "place", "message"),
    [
        ([Dense(name="a", units=4), Dense(name="b", units=5, mirrors="a")], 1, r"shape \[6, 4\]; expected \[5, 4\]"),
        ([Dense(name="a", units=4, mirrors="a")], 0, "mirrors 'a', and no layer before it has that name"),
        ([Dense(name="b", units=4, mirrors="a"), Dense(name="a", units=6)], 0, "no layer before it has that name"),
        ([Dense(name="a", units=4), Dense(name="b", units=6, mirrors="nobody")], 1, "mirrors 'nobody', and no layer"),
    ],
)
def test_what_cannot_be_mirrored(layers, place, message):
    with pytest.raises(MisfitError, match=message) as misfit:
        Graph.build(layers, (6,))
    assert misfit.value.path == ("network", place)


def test_a_mirror_of_nothing_with_weights():
    layers = [{"type": "activation", "name": "a", "function": "tanh"}, {"type": "dense", "units": 6, "mirrors": "a"}]
    with pytest.raises(MisfitError, match="mirrors 'a', which has no weights"):
        Graph.build(experiment(DEEP, network=layers, pretrain=None).network, (6,))


def test_names_are_looked_up_where_the_layer_stands():
    """In a block, those beside it before those around it."""
    block = {
        "type": "repeat", "name": "twice", "times": 2,
        "layers": [
            {"type": "dense", "name": "in", "units": 4},
            {"type": "dense", "name": "out", "units": 6, "mirrors": "in"},
        ],
    }  # fmt: skip
    graph = Graph.build(experiment(DEEP, network=[block], pretrain=None).network, (6,))
    assert [node.mirrors for node in graph.nodes if node.mirrors] == [
        node.name for node in graph.nodes if node.mirrors is None
    ]


CONFIG = """name: deep
data: {source: {type: synthetic, shape: [6], classes: 3}, targets: input}
network:
  - {type: dense, name: code, units: 3}
  - {type: dense, name: output, units: 6, mirrors: %s}
loss: mean_squared_error
sgd: {learning_rate: 0.1}
"""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            CONFIG % "cod",
            "c.yaml:5:52: network.1.mirrors: found `cod`, expected the name of a layer (did you mean",
        ),
        (CONFIG % "3", "c.yaml:5:52: network.1.mirrors: found `3`, expected text"),
        (CONFIG % "code, share: code", "expected one or the other: a mirror has parameters of its own"),
    ],
)
def test_mistakes_have_their_place_in_the_file(text, message):
    with pytest.raises(ConfigError) as error:
        from_text(text, "c.yaml")
    assert message in str(error.value)


def test_classes_are_no_targets_then(tmp_path):
    of = experiment(DEEP, loss="softmax_cross_entropy")
    with pytest.raises(MisfitError, match="found numbers as targets, expected classes") as misfit:
        wiring.build_graph(of, prepare(of.data))
    assert misfit.value.path == ("loss",)
