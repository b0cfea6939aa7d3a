"""From text to a located experiment: what the parts do together."""

import io
import sys
from types import SimpleNamespace

import pytest

from dlcli.config.consistency import layer_names
from dlcli.config.load import from_text, load
from dlcli.errors import ConfigError
from dlcli.optim.adam import Adam
from dlcli.optim.lbfgs import Lbfgs
from dlcli.optim.sgd import Sgd
from dlcli.pretrain.options import LayerOptions
from tests.config.conftest import GOOD

PRETRAIN = "pretrain: {method: autoencoder, sgd: {momentum: 0.5}}\n"


def test_five_mistakes_are_five_messages_in_the_order_of_the_file(refused):
    text = """\
name: bad name
data:
  source: bundeled
  batch_size: 0
network:
  - {type: dense, units: 10, activation: sigmod}
loss: softmax_cross_entropy
sgd: {learning_rate: -1}
"""
    places = [(mistake.line, mistake.column, mistake.key) for mistake in refused(text)]
    assert places == [
        (1, 7, "name"), (3, 11, "data.source"), (4, 15, "data.batch_size"), (6, 42, "network.0.activation"),
        (8, 22, "sgd.learning_rate"),
    ]  # fmt: skip


def test_names_are_checked_beside_other_mistakes(refused):
    text = GOOD.replace("units: 30", "units: 0").replace("output", "hidden1") + "pretrain: {layers: [hiden1]}\n"
    keys = [mistake.key for mistake in refused(text)]
    assert keys == ["network.0.units", "network.2.name", "pretrain.method", "pretrain.layers.0"]


def test_yaml_and_options_are_refused_together_but_a_place_once(refused):
    found = refused(GOOD.replace("0.1", "!x a").replace("batch_size: 10", "batch_size: 0") + "name: b\n")
    assert [mistake.key for mistake in found] == ["data.batch_size", "sgd.learning_rate", "name"]


@pytest.mark.parametrize("layers", ["3", "[1]", "{a: b}", "[[hidden1]]", "[null]"])
def test_misshapen_references_are_refused(refused, layers):
    found = refused(GOOD + f"pretrain: {{method: autoencoder, layers: {layers}}}\n")
    assert {mistake.key.partition(".")[0] for mistake in found} == {"pretrain"}


def test_default_names_count_all_layers_of_a_type(loaded, refused):
    layers = GOOD + "pretrain: {method: autoencoder, layers: [hidden1, %s]}\n"
    assert loaded(layers % "dense_2").experiment.pretrain.layers == tuple(
        LayerOptions(name=name) for name in ("hidden1", "dense_2")
    )
    assert "did you mean `dense_2`" in str(refused(layers % "dense_1")[0])


def test_the_layer_before_is_an_input(loaded):
    text = GOOD.replace("units: 20", "units: 20, inputs: [hidden1]").replace("output,", "output, inputs: [dense_2],")
    assert loaded(text).experiment.network[2].inputs == ("dense_2",)


def test_pretraining_inherits_from_the_optimiser(loaded):
    experiment = loaded(GOOD + "  schedule: {type: inverse, gamma: 1, power: 1}\n" + PRETRAIN).experiment
    assert experiment.pretrain.optimiser.learning_rate == experiment.optimiser.learning_rate == 0.1
    assert experiment.pretrain.optimiser.momentum == 0.5
    assert experiment.pretrain.optimiser.schedule == experiment.optimiser.schedule


@pytest.mark.parametrize("inner", ["optimiser: {beta1: 0.5}", "optimizer: {type: adam, beta_1: 0.5}"])
def test_another_optimiser_is_inherited_too(loaded, inner):
    text = (GOOD + PRETRAIN).replace("sgd:\n", "optimiser:\n  type: adam\n").replace("sgd: {momentum: 0.5}", inner)
    experiment = loaded(text).experiment
    assert experiment.pretrain.optimiser == Adam(learning_rate=0.1, beta1=0.5)
    assert experiment.optimiser == Adam(learning_rate=0.1)


def test_the_key_sgd_is_sgd_whatever_the_other_one_is(loaded, refused):
    text = (GOOD + PRETRAIN).replace("sgd:\n", "optimiser:\n  type: adam\n")
    assert [mistake.key for mistake in refused(text)] == ["pretrain.sgd.learning_rate"]
    text = text.replace("{momentum: 0.5}", "{momentum: 0.5, ε: 0.2}")
    assert loaded(text).experiment.pretrain.optimiser == Sgd(learning_rate=0.2, momentum=0.5)


def test_a_bare_name_is_inherited(loaded):
    text = GOOD.replace("sgd:\n  learning_rate: 0.1\n", "optimiser: lbfgs\n")
    assert loaded(text + PRETRAIN.replace(", sgd: {momentum: 0.5}", "")).experiment.pretrain.optimiser == Lbfgs()
    text += PRETRAIN.replace("sgd: {momentum: 0.5}", "optimiser: {history: 3}")
    assert loaded(text).experiment.pretrain.optimiser == Lbfgs(history=3)


@pytest.mark.parametrize(
    ("old", "new", "keys"),
    [
        ("learning_rate: 0.1", "learning_rate: -1", ["sgd.learning_rate"]),
        ("learning_rate: 0.1", "momentum: 0.1", ["sgd.learning_rate"]),
        ("learning_rate: 0.1", "learning_rat: 0.1", ["sgd.learning_rat"]),
        ("learning_rate: 0.1", "{type: [1], ε: 1}", ["sgd.type"]),
        ("sgd:\n  learning_rate: 0.1\n", "", ["optimiser", "pretrain.sgd.learning_rate"]),
        ("momentum: 0.5", "momentum: 2", ["pretrain.sgd.momentum"]),
        ("momentum: 0.5", "type: nag", ["pretrain.sgd.type"]),
        ("0.1", "0.1\n  type: nag", ["sgd.type"]),
        ("momentum: 0.5", "ε: 1, epsilon: 2", ["pretrain.sgd.epsilon"]),
        (", sgd: {momentum: 0.5}", ", sgd: {ε: 1}, optimizer: {ε: 2}", ["pretrain.optimizer"]),
    ],
)
def test_a_mistake_in_what_is_inherited_is_told_once(refused, old, new, keys):
    found = refused((GOOD + PRETRAIN).replace(old, new))
    assert [mistake.key for mistake in found] == keys


def test_nothing_is_inherited_from_another_type(refused):
    text = (GOOD + PRETRAIN).replace("0.1", "0.1\n  type: nag").replace("momentum", "type: sgd, momentum")
    assert [mistake.key for mistake in refused(text)] == ["sgd.type", "pretrain.sgd.learning_rate"]


def test_only_a_type_and_a_number_are_a_reserved_name(loaded):
    text = GOOD.replace("output", "dense_out").replace("hidden1", "hidden_1")
    assert layer_names(loaded(text).experiment.network) == ["hidden_1", "dense_2", "dense_out"]


def test_located_mistakes_stand_where_the_file_has_the_value(loaded):
    located = loaded(GOOD.replace("sgd", "optimizer").replace("learning_rate", "ε"), "network.1.units=7")

    def place(*path: str | int) -> str:
        return str(located.mistake(path, "does not fit"))

    assert place("network", 2, "units") == "c.yaml:8:40: network.2.units: does not fit"
    assert place("network", 1, "units") == "--set:1:17: network.1.units: does not fit"
    assert place("network", 2) == "c.yaml:8:5: network.2: does not fit"
    assert place("optimiser", "learning_rate") == "c.yaml:11:6: optimizer.ε: does not fit"
    assert place("loss", "type") == "c.yaml:9:7: loss.type: does not fit"
    assert place("training", "epochs") == "c.yaml:1:1: training.epochs: does not fit"


def test_standard_input(monkeypatch):
    def pipe(text: str) -> None:
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(text.encode())))

    pipe(GOOD)
    assert load("-") == from_text(GOOD, "kept.yaml")
    pipe(GOOD.replace("0.1", "x"))
    with pytest.raises(ConfigError, match=r"^<stdin>:11:18: sgd.learning_rate"):
        load("-")


def test_no_more_is_read_than_shows_that_a_file_is_too_long():
    with pytest.raises(ConfigError, match="more than"):
        load("/dev/zero")


def test_text_kept_elsewhere_is_checked_too():
    with pytest.raises(ConfigError, match=r"^kept\.yaml:1:7: name"):
        from_text(GOOD.replace("name: good", "name: 7"), "kept.yaml")
