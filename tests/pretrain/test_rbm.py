"""RBMs as a method: which units for which layer, what is kept, stages that survive any interruption."""

import numpy as np
import pytest
from pydantic import ValidationError

from dlcli.errors import MisfitError
from dlcli.pretrain.methods.rbm import RestrictedBoltzmannMachine
from dlcli.training.run_directory import read_rows
from tests.pretrain.boltzmann.test_dbm import MACHINE
from tests.runs import STEPS, SUPERVISED, Recorder, bits, experiment, last, outcome, train, train_until

RBMS = SUPERVISED | {
    "data": MACHINE["data"],
    "pretrain": {"method": "rbm", "epochs": 2, "sgd": {"learning_rate": 0.1, "schedule": "constant"}},
}
BELIEF = RBMS | {
    "network": [
        *RBMS["network"][:3],
        {"type": "class_rbm", "name": "top", "units": 6, "classes": 3},
    ],
    "pretrain": RBMS["pretrain"]
    | {"method": {"type": "rbm", "up_down": {"epochs": 2, "steps": 2, "sgd": {"learning_rate": 0.05}}}},
}
OTHER = {"steps": 9, "sgd": {"learning_rate": 1}}
PERSISTENT = RBMS | {
    "pretrain": RBMS["pretrain"] | {"method": {"type": "rbm", "chains": 5, "steps": 2, "sparsity": {"target": 0.2}}}
}


@pytest.mark.parametrize(
    ("mapping", "stages"),
    [
        (RBMS, ["pretrain/hidden1", "pretrain/hidden2", "supervised"]),
        (BELIEF, ["pretrain/hidden1", "pretrain/hidden2", "pretrain/top", "pretrain/top.up_down", "supervised"]),
    ],
)
def test_stages(tmp_path, mapping, stages):
    reporter = Recorder()
    train(tmp_path / "run", experiment(mapping), reporter=reporter)
    assert reporter.stages == stages


@pytest.mark.parametrize("mapping", [RBMS, PERSISTENT, BELIEF, MACHINE], ids=["cd", "pcd", "up-down", "dbm"])
def test_interrupted_anywhere_it_goes_on_to_the_same_bits(tmp_path, mapping):
    of = experiment(mapping, training__epochs=1)
    train(tmp_path / "whole", of)
    stages = {row["stage"] for row in read_rows(tmp_path / "whole") if row["stage"].startswith("pretrain")}
    for step in range(5, len(stages) * 2 * STEPS, 7):
        train_until(tmp_path / f"run{step}", step, of)
        train(tmp_path / f"run{step}", of, resume=True)
        assert outcome(tmp_path / f"run{step}") == outcome(tmp_path / "whole"), step


def test_pretrain_and_then_train_is_train(tmp_path):
    for name, mapping in (("belief", BELIEF), ("machine", MACHINE)):
        train(tmp_path / f"{name}-first", experiment(mapping), stages="pretrain")
        train(tmp_path / f"{name}-then", experiment(mapping), init=tmp_path / f"{name}-first")
        train(tmp_path / f"{name}-whole", experiment(mapping))
        then, whole = (outcome(tmp_path / f"{name}-{which}") for which in ("then", "whole"))
        assert then["tensors"] == whole["tensors"]


def test_a_layer_alone_changes(tmp_path):
    train(tmp_path / "none", experiment(RBMS, pretrain=None, training__epochs=0))
    train(tmp_path / "one", experiment(RBMS, pretrain__layers=["hidden1"]), stages="pretrain")
    train(tmp_path / "both", experiment(RBMS), stages="pretrain")
    none, one, both = (bits(last(tmp_path / name)) for name in ("none", "one", "both"))
    names = [f"{layer}/{kind}" for layer in ("hidden1", "hidden2", "output") for kind in ("weights", "bias")]
    assert {name for name in names if one[name] != none[name]} == {"hidden1/weights", "hidden1/bias"}
    changed = {name for name in names if both[name] != one[name]}
    assert changed == {"hidden2/weights", "hidden2/bias"}


def test_the_machine_is_kept_as_pretraining_left_it(tmp_path):
    train(tmp_path / "first", experiment(RBMS), stages="pretrain")
    train(tmp_path / "then", experiment(RBMS))
    first, then = (last(tmp_path / name).tensors for name in ("first", "then"))
    assert np.array_equal(first["hidden1.rbm/weights"], first["hidden1/weights"])
    assert np.array_equal(then["hidden1.rbm/weights"], first["hidden1/weights"])
    assert not np.array_equal(then["hidden1.rbm/weights"], then["hidden1/weights"])


def test_epochs_are_watched(tmp_path):
    train(tmp_path / "run", experiment(RBMS), stages="pretrain")
    for row in read_rows(tmp_path / "run"):
        assert {"validation_loss", "validation_pseudo_log_likelihood", "validation_free_energy_gap"} <= row.keys()


def test_a_belief_net_is_tested_without_supervised_training(tmp_path):
    result = train(tmp_path / "run", experiment(BELIEF, training__epochs=0))
    assert 0 <= result["test_error"] <= 1
    errors = [row["validation_error"] for row in read_rows(tmp_path / "run") if row["stage"] == "pretrain/top.up_down"]
    assert len(errors) == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"network": [{"type": "dense", "name": "h", "units": 3, "activation": "tanh"}, RBMS["network"][3]]},
         "h is tanh; expected sigmoid, relu or linear"),
        ({"network": [{"type": "dense", "name": "h", "units": 3, "bias": False}, RBMS["network"][3]]},
         "layer h has no bias"),
        ({"pretrain__method": {"type": "rbm", "hidden": {"type": "softmax", "size": 4}}},
         "found 5 units in groups of 4"),
        ({"pretrain__method": {"type": "rbm", "visible": {"type": "softmax", "size": 4}}},
         "found 6 units in groups of 4"),
        ({"pretrain__layers": ["output"]}, "output is the output layer"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(tmp_path, changes, message):
    with pytest.raises(MisfitError, match=message):
        train(tmp_path / "run", experiment(RBMS, **changes))


def test_hidden_variances_are_not_learned():
    with pytest.raises(ValidationError, match="hidden units that learn their variance"):
        RestrictedBoltzmannMachine(hidden={"type": "gaussian", "learn_variance": True})


@pytest.mark.parametrize(
    ("units", "activation"), [("binary", "sigmoid"), ("relu", "relu"), ("gaussian", "linear"), ("gaussian", "sigmoid")]
)
def test_every_kind_of_hidden_units_trains(tmp_path, units, activation):
    network = [RBMS["network"][0] | {"activation": activation}, *RBMS["network"][3:]]
    of = experiment(RBMS, network=network, pretrain__method={"type": "rbm", "hidden": units}, pretrain__epochs=3)
    train(tmp_path / "run", of, stages="pretrain")
    losses = [row["train_loss"] for row in read_rows(tmp_path / "run")]
    assert losses[-1] < losses[0]


def test_overrides_hold_for_their_layer(tmp_path):
    layers = [
        "hidden1",
        {"name": "hidden2", "epochs": 1, "batch_size": 23, "method": {"steps": 2}, "sgd": {"momentum": 0}},
    ]
    of = experiment(RBMS, pretrain__layers=layers)
    own = of.pretrain.of("hidden2")
    assert (own.method.steps, own.epochs, own.batch_size, own.optimiser.momentum) == (2, 1, 23, 0)
    assert own.optimiser.learning_rate == 0.1
    assert of.pretrain.of("hidden1").method.steps == 1
    train(tmp_path / "run", of, stages="pretrain")
    rows = [(row["stage"], row["step"]) for row in read_rows(tmp_path / "run")]
    assert rows == [("pretrain/hidden1", 6), ("pretrain/hidden1", 12), ("pretrain/hidden2", 2)]


@pytest.mark.parametrize(
    ("changes", "path", "message"),
    [
        ({"pretrain__layers": ["hidden1", "top"]}, ("pretrain", "method"), "top does not follow hidden1"),
        ({"pretrain__layers": ["hidden2", "top"]}, ("pretrain", "method"), "hidden2 does not take the samples"),
        ({"pretrain__method__visible": "gaussian"}, ("pretrain", "method"), "up_down has binary units alone"),
        ({"data__transform": ["standardise"]}, ("pretrain", "method"), "the inputs of hidden1 go from"),
        ({"pretrain__layers": ["hidden1", {"name": "hidden2", "method": {"type": "autoencoder"}}, "top"]},
         ("pretrain", "layers", 1, "method"), "hidden2 is pretrained otherwise"),
        ({"pretrain__layers": ["hidden1", "hidden2", {"name": "top", "method": {"up_down": OTHER}}]},
         ("pretrain", "layers", 2, "method"), "top is pretrained otherwise"),
        ({"pretrain__method__up_down__sgd": {"type": "lbfgs"}},
         ("pretrain", "method", "up_down", "optimiser"), "expected a method of gradient descent"),
        ({"pretrain__layers": [{"name": "hidden1", "optimiser": {"type": "lbfgs"}}, "hidden2", "top"]},
         ("pretrain", "layers", 0, "optimiser"), "expected a method of gradient descent"),
    ],
)  # fmt: skip
def test_belief_nets_that_are_none_are_refused(tmp_path, changes, path, message):
    network = [layer for layer in BELIEF["network"] if layer["type"] != "dropout"]
    with pytest.raises(MisfitError, match=message) as misfit:
        train(tmp_path / "run", experiment(BELIEF | {"network": network}, **changes))
    assert misfit.value.path == path


def test_a_stage_for_all_takes_what_it_does_not_say_from_pretraining():
    of = experiment(
        BELIEF, pretrain__method__up_down={"epochs": 3}, pretrain__sgd={"learning_rate": 0.3, "momentum": 0}
    )
    optimiser = of.pretrain.method.up_down.optimiser
    assert (optimiser.learning_rate, optimiser.momentum) == (0.3, 0)


def test_layers_above_learned_variances_see_the_hidden_units_means(tmp_path):
    """σ(c + (v / σ²) W): the walk, and the layer that supervised training begins with."""
    method = {"type": "rbm", "visible": {"type": "gaussian", "learn_variance": True}}
    layers = [{"name": "hidden1", "method": method}, "hidden2"]
    of = experiment(RBMS, data__transform=["standardise"], pretrain__layers=layers, training__epochs=0)
    train(tmp_path / "run", of)
    tensors = last(tmp_path / "run").tensors
    precision = np.exp(-tensors["hidden1.rbm/log_variance"])[:, None]
    assert np.abs(precision - 1).max() > 1e-3
    np.testing.assert_allclose(tensors["hidden1/weights"], tensors["hidden1.rbm/weights"] * precision, rtol=1e-6)


def test_a_replaced_layer_is_pretrained_again_with_all_above_it(tmp_path):
    train(tmp_path / "first", experiment(RBMS))
    reporter = Recorder()
    train(tmp_path / "then", experiment(RBMS), init=tmp_path / "first", replaced=["hidden2"], reporter=reporter)
    assert reporter.stages == ["pretrain/hidden2", "supervised"]
    reporter = Recorder()
    train(tmp_path / "last", experiment(RBMS), init=tmp_path / "first", replaced=["output"], reporter=reporter)
    assert reporter.stages == ["supervised"]


def test_classes_that_the_data_do_not_have_are_refused(tmp_path):
    network = [*BELIEF["network"][:3], BELIEF["network"][3] | {"classes": 4}, RBMS["network"][3]]
    with pytest.raises(MisfitError, match="top has 4 classes, expected the 3 of the data"):
        train(tmp_path / "run", experiment(BELIEF, network=network, pretrain__layers=["top"], pretrain__method="rbm"))


def test_without_held_out_samples_training_ones_are_watched(tmp_path):
    of = experiment(RBMS, data__validation=0)
    train(tmp_path / "run", of, stages="pretrain")
    for row in read_rows(tmp_path / "run"):
        assert row["train_pseudo_log_likelihood"] < 0
        assert not [name for name in row if name.startswith("validation")]
