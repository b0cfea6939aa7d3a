"""The greedy walk: which layers, in which order, on which inputs, and what stays as it was."""

import numpy as np
import pytest
from pydantic import ValidationError

from dlcli import wiring
from dlcli.data.pipeline import BatchSource, prepare
from dlcli.errors import MisfitError
from dlcli.graph import Graph
from dlcli.network import Network
from dlcli.pretrain.greedy import Walk, nodes_to_pretrain
from tests.runs import PRETRAINED, SUPERVISED, Recorder, bits, experiment, last, outcome, timeless, train

IMAGES = SUPERVISED | {
    "data": SUPERVISED["data"] | {"source": {"type": "synthetic", "shape": [4, 4, 1], "classes": 3, "samples": 20}},
    "network": [
        {"type": "conv2d", "name": "conv", "filters": 2, "kernel_size": 3},
        {"type": "dense", "name": "hidden", "units": 4, "activation": "sigmoid"},
        {"type": "dense", "name": "output", "units": 3},
    ],
    "pretrain": {"method": {"type": "autoencoder"}},
}
DILATED = IMAGES | {"network": [IMAGES["network"][0] | {"kernel_size": 2, "dilation": 2}, *IMAGES["network"][1:]]}


def chosen(of) -> list[str]:
    graph = Graph.build(of.network, prepare(of.data).sample_shape)
    return [node.name for node in nodes_to_pretrain(of.pretrain, graph)]


def test_by_default_every_layer_that_can_be_folded_back_but_the_output():
    assert chosen(experiment(PRETRAINED)) == ["hidden1", "hidden2"]
    assert chosen(experiment(IMAGES)) == ["conv", "hidden"]
    in_groups = [IMAGES["network"][0] | {"groups": 2, "filters": 4}, *IMAGES["network"][1:]]
    source = IMAGES["data"]["source"] | {"shape": [4, 4, 2]}
    assert chosen(experiment(IMAGES, network=in_groups, data__source=source)) == ["hidden"]


def test_layers_that_are_named_are_those():
    assert chosen(experiment(PRETRAINED, pretrain__layers=["hidden2"])) == ["hidden2"]


@pytest.mark.parametrize(
    ("mapping", "layers", "position", "message"),
    [
        (PRETRAINED, ["hidden1", "hiden2"], 1, "found `hiden2`, expected the name of a layer .did you mean `hidden2`"),
        (PRETRAINED, ["hidden1", "output"], 1, "output is the output layer"),
        (PRETRAINED, ["hidden2", "hidden1"], 1, "hidden1 comes after hidden2; expected layers from the input up"),
        (PRETRAINED, ["hidden1", "hidden1"], 1, "hidden1 comes after hidden1"),
        (PRETRAINED, ["dropout_1"], 0, r"dropout_1 \(dropout\) cannot be folded back; expected a dense or convolution"),
        (
            DILATED,
            ["conv", "hidden"],
            0,
            r"layer conv \(conv2d\) cannot be folded back; expected a .* without dilation",
        ),
    ],
)
def test_layers_that_cannot_be_pretrained_are_named_with_their_place(tmp_path, mapping, layers, position, message):
    with pytest.raises(MisfitError, match=message) as misfit:
        train(tmp_path / "run", experiment(mapping, pretrain__layers=layers))
    assert misfit.value.path[:3] == ("pretrain", "layers", position)  # and `name`, where that is unknown
    assert not (tmp_path / "run").exists()


def test_pretraining_without_layers_is_refused():
    with pytest.raises(ValidationError, match=r"pretrain\.layers\n.* at least 1 item"):
        experiment(PRETRAINED, pretrain__layers=[])
    with pytest.raises(MisfitError, match="found no layer below the output layer to pretrain") as misfit:
        chosen(experiment(PRETRAINED, network=PRETRAINED["network"][3:]))
    assert misfit.value.path == ("pretrain",)


def test_stages_come_from_the_input_up():
    of = experiment(PRETRAINED)
    data = prepare(of.data)
    plans = wiring.plan(of, data, wiring.build_network(of, data))
    assert [plan.name for plan in plans] == ["pretrain/hidden1", "pretrain/hidden2", "supervised"]


def test_each_stage_trains_its_layer_alone(tmp_path):
    train(tmp_path / "none", experiment(training__epochs=0))
    train(tmp_path / "one", experiment(PRETRAINED, pretrain__layers=["hidden1"]), stages="pretrain")
    train(tmp_path / "both", experiment(PRETRAINED), stages="pretrain")
    none, one, both = (bits(last(tmp_path / name)) for name in ("none", "one", "both"))
    names = [f"{layer}/{kind}" for layer in ("hidden1", "hidden2", "output") for kind in ("weights", "bias")]
    assert {name for name in names if one[name] != none[name]} == {"hidden1/weights", "hidden1/bias"}
    assert {name for name in names if both[name] != one[name]} == {"hidden2/weights", "hidden2/bias"}


def test_a_stages_momentum_goes_with_it_and_its_mirror_stays(tmp_path):
    train(tmp_path / "run", experiment(PRETRAINED, pretrain__layers=["hidden1"]), stages="pretrain")
    own = last(tmp_path / "run").tensors.keys() - {"transform/0/mean", "transform/0/deviation"}
    assert {name for name in own if "hidden1" in name} == {
        "hidden1/weights", "hidden1/bias", "hidden1.mirror/bias", "hidden1.encoder/weights", "hidden1.encoder/bias",
        "momentum/hidden1/weights", "momentum/hidden1/bias", "momentum/hidden1.mirror/bias",
    }  # fmt: skip
    train(tmp_path / "run", experiment(PRETRAINED, pretrain__layers=["hidden1"]), resume=True)
    assert [name for name in last(tmp_path / "run").tensors if "mirror" in name] == ["hidden1.mirror/bias"]


def test_pretrain_then_train_from_it_is_train(tmp_path):
    of = experiment(PRETRAINED)
    whole = train(tmp_path / "whole", of)
    summary = train(tmp_path / "first", of, stages="pretrain")
    assert (summary["epochs"], summary["test_error"]) == (2, None)
    for init in (tmp_path / "first", tmp_path / "first" / "checkpoints" / "last.safetensors"):
        reporter = Recorder()
        second = train(tmp_path / init.name / "second", of, init=init, reporter=reporter)
        assert reporter.stages == ["supervised"]
        assert (second["test_loss"], second["epochs"]) == (whole["test_loss"], 3)
        expected, found = outcome(tmp_path / "whole"), outcome(tmp_path / init.name / "second")
        assert found["tensors"] == expected["tensors"]
        assert found["rows"] == [row for row in expected["rows"] if not row["stage"].startswith("pretrain")]


def test_pretrain_then_resume_as_train_is_train(tmp_path):
    train(tmp_path / "whole", experiment(PRETRAINED))
    train(tmp_path / "run", experiment(PRETRAINED), stages="pretrain")
    train(tmp_path / "run", experiment(PRETRAINED), resume=True)
    assert outcome(tmp_path / "run") == outcome(tmp_path / "whole")


def test_init_from_unfinished_pretraining_does_the_rest(tmp_path):
    train(tmp_path / "one", experiment(PRETRAINED, pretrain__layers=["hidden1"]), stages="pretrain")
    reporter = Recorder()
    train(tmp_path / "run", experiment(PRETRAINED), init=tmp_path / "one", reporter=reporter)
    assert reporter.stages == ["pretrain/hidden2", "supervised"]
    train(tmp_path / "whole", experiment(PRETRAINED))
    assert outcome(tmp_path / "run")["tensors"] == outcome(tmp_path / "whole")["tensors"]


def test_pretraining_logs_its_validation(tmp_path):
    reporter = Recorder()
    train(tmp_path / "run", experiment(PRETRAINED), stages="pretrain", reporter=reporter)
    for row in timeless(reporter.rows):
        assert row.keys() == {"stage", "epoch", "step", "learning_rate", "train_loss", "validation_loss"}


@pytest.mark.parametrize("batch_size", [1, 7, 46])
def test_features_are_the_layers_outputs_in_evaluation_mode(batch_size):
    """Dropout passes everything; against matrices multiplied in float64, and the network's own bits."""
    of = experiment(PRETRAINED)
    data = prepare(of.data)
    network = wiring.build_network(of, data)
    walk = Walk(network, [data.train, data.validation], batch_size)
    hidden1, hidden2 = network.graph.node("hidden1"), network.graph.node("hidden2")
    inputs = [array.copy() for array in walk.inputs_of(hidden1)]
    features = walk.inputs_of(hidden2)
    for source, x, y in zip((data.train, data.validation), inputs, features, strict=True):
        transformed = np.concatenate([batch.x.copy() for batch in source.iterate(5)])
        assert x.tobytes() == transformed.tobytes()
        weights, bias = network.parameters["hidden1/weights"], network.parameters["hidden1/bias"]
        expected = 1 / (1 + np.exp(-(x.astype(np.float64) @ weights + bias)))
        np.testing.assert_allclose(y, expected, rtol=0, atol=1e-6)
        network.forward(x)
        assert y.tobytes() == network.outputs(len(x))["hidden1"].tobytes()
    with pytest.raises(ValueError, match="the walk has passed hidden1"):
        walk.inputs_of(hidden1)


def test_features_are_computed_once(monkeypatch):
    of = experiment(PRETRAINED)
    data = prepare(of.data)
    network = wiring.build_network(of, data)
    walk = Walk(network, [data.train], 8)
    walk.inputs_of(network.graph.node("hidden2"))

    def refuse(*_, **__):
        raise AssertionError("passed again")

    monkeypatch.setattr(Network, "forward", refuse)
    monkeypatch.setattr(BatchSource, "iterate", refuse)
    assert walk.inputs_of(network.graph.node("hidden2"))[0].shape == (46, 5)


def test_the_output_layer_is_the_last_with_weights():
    """An activation after it changes nothing: it starts at random."""
    network = [*PRETRAINED["network"], {"type": "activation", "function": "tanh"}]
    assert chosen(experiment(PRETRAINED, network=network)) == chosen(experiment(PRETRAINED))
