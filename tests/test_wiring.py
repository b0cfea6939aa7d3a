"""A run from its config to its result, and everything that can be wrong between its parts."""

import re

import numpy as np
import pytest

from dlcli import wiring
from dlcli.config.dump import dump
from dlcli.config.load import from_text
from dlcli.data.pipeline import prepare
from dlcli.errors import CheckpointError, DataError, Diverged, MisfitError, UsageError
from dlcli.training.checkpoint import Checkpoint, load, save
from dlcli.training.run_directory import find_checkpoint, read_rows
from tests.runs import PRETRAINED, SUPERVISED, Recorder, bits, experiment, last, outcome, train, train_until


@pytest.fixture
def npz(tmp_path):
    """Data in a file: writes it, and gives the changes of a config that reads it."""

    def write(seed=0, classes=3):
        random = np.random.default_rng(seed)
        labels = np.arange(30) % classes
        np.savez(tmp_path / "data.npz", x_train=random.random((30, 6), np.float32), y_train=labels)
        return {"data__source": {"type": "npz", "file": str(tmp_path / "data.npz")}}

    return write


def refused(tmp_path, of, error, message, **arguments):
    """The run is refused with this message, and nothing is written; gives the error."""
    with pytest.raises(error, match=message) as failure:
        train(tmp_path / "run", of, **arguments)
    assert not (tmp_path / "run").exists()
    return failure.value


def test_a_run_and_its_summary(tmp_path):
    reporter = Recorder()
    summary = train(tmp_path / "run", reporter=reporter)
    rows = read_rows(tmp_path / "run")
    assert [row["stage"] for row in rows] == ["supervised"] * 3 + ["test"]
    assert reporter.rows == rows
    assert summary == {
        "run": str(tmp_path / "run"),
        "epochs": 3,
        "stopped_by": "epochs",
        "train_loss": rows[2]["train_loss"],
        "train_error": rows[2]["train_error"],
        "validation_loss": rows[2]["validation_loss"],
        "validation_error": rows[2]["validation_error"],
        "test_loss": rows[3]["test_loss"],
        "test_error": rows[3]["test_error"],
        "seconds": summary["seconds"],
    }
    assert from_text((tmp_path / "run" / "config.yaml").read_text(), "config.yaml") == experiment()
    log = (tmp_path / "run" / "log.txt").read_text()
    assert "supervised: 3 epochs of 6 steps, 46 samples" in log
    assert len(log.splitlines()) == 1 + 4 + 1


def test_training_learns(tmp_path):
    source = SUPERVISED["data"]["source"] | {"deviation": 0.3}
    summary = train(tmp_path / "run", experiment(data__source=source, training__epochs=40))
    assert summary["train_error"] < 0.1
    assert summary["test_error"] < 0.1


def test_the_test_metrics_are_those_of_the_best_checkpoint(tmp_path):
    train(
        tmp_path / "run", experiment(training__epochs=10, training__best="validation_loss", sgd={"learning_rate": 2.0})
    )
    best = load(find_checkpoint(tmp_path / "run")).record["progress"]
    row = read_rows(tmp_path / "run")[-1]
    assert (row["epoch"], row["step"]) == (len(best["history"]), best["step"])
    assert row["epoch"] < 10


def test_no_epochs_write_the_initial_checkpoint(tmp_path):
    of = experiment(training__epochs=0)
    summary = train(tmp_path / "run", of)
    assert (summary["epochs"], summary["train_loss"], summary["test_error"]) == (0, None, None)
    assert read_rows(tmp_path / "run") == []
    network = wiring.build_network(of, prepare(of.data))
    found = last(tmp_path / "run").tensors
    for name, array in network.parameters.items():
        assert found[name].tobytes() == array.tobytes()
    train(tmp_path / "run", experiment(training__epochs=3), resume=True)
    train(tmp_path / "whole", experiment(training__epochs=3))
    assert outcome(tmp_path / "run") == outcome(tmp_path / "whole")


def test_it_stops_early_and_says_so(tmp_path):
    stop = {"patience": 1, "metric": "validation_loss"}
    of = experiment(training={"epochs": 50, "stop_early": stop}, sgd={"learning_rate": 2.0})
    summary = train(tmp_path / "run", of)
    assert summary["stopped_by"] == "stop_early"
    assert summary["epochs"] < 50
    before = outcome(tmp_path / "run")
    assert train(tmp_path / "run", of, resume=True)["stopped_by"] == "stop_early"
    assert outcome(tmp_path / "run") == before


@pytest.mark.parametrize(
    ("changes", "path", "message"),
    [
        ({"loss": "sigmoid_cross_entropy", "network": [{"type": "dense", "units": 4}]}, ("loss",), "found 4 outputs"),
        ({"network": [{"type": "dense", "units": 2}]}, ("loss",), "found 2 outputs, expected 3, one per class"),
        (
            {"network": [{"type": "conv2d", "filters": 2, "kernel_size": 3}, {"type": "dense", "units": 3}]},
            ("network", 0),
            r"layer conv2d_1 .*shape \[6\]",
        ),
        ({"network": [{"type": "flatten"}]}, ("network",), "found no layer with weights"),
        ({"data__validation": 0, "training__best": "validation_loss"}, ("training", "best"), "nothing is held out"),
        (
            {"data__validation": 0, "training__stop_early": {}},
            ("training", "stop_early", "metric"),
            "found validation_error, but nothing is held out; expected data.validation, or a train metric",
        ),
        (
            {"network": [{"type": "dense", "units": 10**12}, {"type": "dense", "units": 3}]},
            ("network",),
            "parameters and a batch of 8 need .* GB; this machine has",
        ),
        ({"network": [{"type": "dense", "units": 10**30}, {"type": "dense", "units": 3}]}, ("network",), "need .* GB"),
    ],
)
def test_parts_that_do_not_fit_are_refused_at_their_place(tmp_path, changes, path, message):
    assert refused(tmp_path, experiment(**changes), MisfitError, message).path == path


def test_a_regression_has_no_error_rate(tmp_path):
    random = np.random.default_rng(0)
    np.savez(tmp_path / "data.npz", x_train=random.random((30, 6)), y_train=random.random((30, 3), np.float32))
    source = {"type": "npz", "file": str(tmp_path / "data.npz")}
    changes = {"data__source": source, "loss": "mean_squared_error"}
    misfit = refused(
        tmp_path, experiment(**changes, training__best="train_error"), MisfitError, "no classes to mistake"
    )
    assert misfit.path == ("training", "best")
    summary = train(tmp_path / "run", experiment(**changes))
    assert summary["train_error"] is None
    assert summary["train_loss"] > 0
    assert find_checkpoint(tmp_path / "run").name == "best.safetensors"


def test_a_batch_larger_than_the_data_is_the_data(tmp_path):
    train(tmp_path / "huge", experiment(data__batch_size=10**12))
    train(tmp_path / "all", experiment(data__batch_size=46))
    assert bits(last(tmp_path / "huge")) == bits(last(tmp_path / "all"))


@pytest.mark.parametrize("activation", ["sigmoid", "relu"])
@pytest.mark.parametrize("every", [{"steps": 1}, {"epochs": 1}, {}])
def test_a_rate_of_1e30_diverges_and_nothing_of_it_is_kept(tmp_path, activation, every):
    """Sigmoid units saturate, so that the loss stays finite: what gives it away are the weights."""
    network = [layer | ({"activation": activation} if "name" in layer else {}) for layer in SUPERVISED["network"]]
    network[-1]["activation"] = "linear"
    changes = {"optimiser": {"learning_rate": 1e30}, "output__checkpoint_every": every}
    mapping = {key: value for key, value in SUPERVISED.items() if key != "sgd"} | {"network": network}
    with pytest.raises(Diverged) as failure:
        train(tmp_path / "run", experiment(mapping, **changes))
    assert failure.value.exit_code == 6
    place = r"diverged in stage supervised, epoch \d, step (\d+) \(batch \d of the epoch\), layer (\w+): "
    found = re.match(place, str(failure.value))
    assert found, failure.value
    assert found[2] in ("hidden1", "hidden2", "output")
    for path in (tmp_path / "run" / "checkpoints").iterdir():
        assert load(path).record["progress"]["step"] < int(found[1])
        assert all(np.abs(tensor).max() < 1e19 for tensor in load(path).tensors.values())
    assert "diverged in stage supervised" in (tmp_path / "run" / "log.txt").read_text()


def test_divergence_while_pretraining_names_that_stage(tmp_path):
    of = experiment(PRETRAINED, pretrain__sgd={"learning_rate": 1e30}, pretrain__method={"type": "autoencoder"})
    with pytest.raises(Diverged, match=r"stage pretrain/hidden1, epoch 1, step \d .*layer hidden1"):
        train(tmp_path / "run", of)
    assert not list((tmp_path / "run" / "checkpoints").iterdir())


def test_pretraining_that_the_config_lacks_is_refused(tmp_path):
    refused(tmp_path, experiment(), UsageError, "no `pretrain` section", stages="pretrain")


def test_a_changed_config_is_refused_with_its_differences(tmp_path):
    train_until(tmp_path / "run", 7)
    before = outcome(tmp_path / "run")
    network = [layer | {} for layer in SUPERVISED["network"]]
    network[0]["units"] = 7
    changed = experiment(seed=2, network=network, sgd={"learning_rate": 0.5}, data__batch_size=9)
    with pytest.raises(UsageError, match="the config differs from the run's") as failure:
        train(tmp_path / "run", changed, resume=True)
    assert str(failure.value).splitlines()[1:] == [
        "  seed: the run has 1, the config 2",
        "  data.batch_size: the run has 8, the config 9",
        "  network.0.units: the run has 5, the config 7",
        "  optimiser.learning_rate: the run has 0.1, the config 0.5",
        "  optimiser.schedule.type: the run has 'inverse', the config 'constant'",
        "  optimiser.schedule.gamma: the run has 0.01, the config None",
        "  optimiser.schedule.power: the run has 0.75, the config None",
    ]
    assert outcome(tmp_path / "run") == before


def test_what_does_not_touch_the_bits_may_change_on_resume(tmp_path):
    train_until(tmp_path / "run", 7)
    train(tmp_path / "run", experiment(output={"keep": 5, "checkpoint_every": {"steps": 2}}), resume=True)
    train(tmp_path / "whole")
    assert outcome(tmp_path / "run") == outcome(tmp_path / "whole")


def test_changed_data_are_refused(tmp_path, npz):
    of = experiment(**npz())
    train_until(tmp_path / "run", 7, of)
    before = outcome(tmp_path / "run")
    npz(seed=1)
    with pytest.raises(DataError, match="run: the data have changed since the run began"):
        train(tmp_path / "run", of, resume=True)
    assert outcome(tmp_path / "run") == before


def test_optimiser_state_that_is_absent_is_refused(tmp_path):
    train_until(tmp_path / "run", 7)
    path, found = find_checkpoint(tmp_path / "run", "last"), last(tmp_path / "run")
    tensors = {name: array for name, array in found.tensors.items() if name != "momentum/output/bias"}
    save(path.resolve(), Checkpoint(tensors, found.record))
    with pytest.raises(CheckpointError, match="'momentum/output/bias' is missing"):
        train(tmp_path / "run", resume=True)


def test_a_tensor_too_many_is_refused(tmp_path):
    train_until(tmp_path / "run", 7)
    path, found = find_checkpoint(tmp_path / "run", "last"), last(tmp_path / "run")
    save(path.resolve(), Checkpoint(found.tensors | {"other/bias": np.zeros(2, np.float32)}, found.record))
    with pytest.raises(CheckpointError, match="found tensor 'other/bias', which stage supervised does not have"):
        train(tmp_path / "run", resume=True)


def test_init_takes_parameters_alone(tmp_path):
    train(tmp_path / "first")
    train(tmp_path / "second", experiment(seed=2, training__epochs=0), init=tmp_path / "first")
    first, second = last(tmp_path / "first").tensors, last(tmp_path / "second").tensors
    for name, array in second.items():
        expected = np.zeros_like(array) if name.startswith("momentum/") else first[name]
        assert array.tobytes() == expected.tobytes()


def test_init_from_another_network_writes_nothing(tmp_path, npz):
    train(tmp_path / "first")
    network = [layer | {} for layer in SUPERVISED["network"]]
    network[0]["units"] = 7
    message = r"layer hidden1: found weights of shape \[6, 5\], expected \[6, 7\]; give --replace hidden1"
    refused(tmp_path, experiment(network=network), CheckpointError, message, init=tmp_path / "first")
    source = {"type": "synthetic", "shape": [7], "classes": 3, "samples": 58}
    message = r"layer hidden1: found weights of shape \[6, 5\], expected \[7, 5\]"
    refused(tmp_path, experiment(data__source=source), CheckpointError, message, init=tmp_path / "first")
    refused(tmp_path, experiment(), CheckpointError, "found no last checkpoint", init=tmp_path)


def test_init_takes_layers_by_name_and_says_so(tmp_path):
    train(tmp_path / "first")
    network = [layer | {} for layer in SUPERVISED["network"]]
    network[0] = network[0] | {"name": "other"}
    reporter = Recorder()
    train(
        tmp_path / "second", experiment(network=network, training__epochs=0), init=tmp_path / "first", reporter=reporter
    )
    first, second = last(tmp_path / "first").tensors, last(tmp_path / "second").tensors
    assert second["output/weights"].tobytes() == first["output/weights"].tobytes()
    assert "other: not in the checkpoint, starts anew" in reporter.messages
    assert "hidden1: not in the network, left out" in reporter.messages


def test_standardised_data_are_kept_as_they_were_fitted(tmp_path):
    train(tmp_path / "run")
    of = experiment()
    x = prepare(of.data).train.x
    np.testing.assert_allclose(last(tmp_path / "run").tensors["transform/0/mean"], x.mean(axis=0), atol=1e-6)


def test_diagnostics_log_every_layer_and_change_nothing(tmp_path):
    train(tmp_path / "plain")
    train(tmp_path / "logged", experiment(training__diagnostics=True))
    rows = read_rows(tmp_path / "logged")[:3]
    for what in ("gradient_norm", "weight_norm", "activity"):
        for layer in ("hidden1", "hidden2", "output"):
            assert all(row[f"{what}/{layer}"] > 0 for row in rows)
    plain, logged = outcome(tmp_path / "plain"), outcome(tmp_path / "logged")
    assert logged["tensors"] == plain["tensors"]
    assert [{k: v for k, v in row.items() if "/" not in k} for row in logged["rows"]] == plain["rows"]


def test_the_resolved_config_gives_the_same_run(tmp_path):
    of = experiment(PRETRAINED)
    train(tmp_path / "run", of)
    train(tmp_path / "again", from_text(dump(of), "dumped"))
    assert outcome(tmp_path / "again") == outcome(tmp_path / "run")


def test_a_resumed_run_may_be_longer_only_where_no_schedule_depends_on_it(tmp_path):
    falling = {"learning_rate": 0.1, "schedule": {"type": "polynomial"}}
    train(tmp_path / "run", experiment(sgd=falling, training__epochs=1))
    with pytest.raises(UsageError, match="training.epochs, on which a schedule depends: the run has 1"):
        train(tmp_path / "run", experiment(sgd=falling, training__epochs=2), resume=True)
    train(tmp_path / "other", experiment(training__epochs=1))
    assert train(tmp_path / "other", experiment(training__epochs=2), resume=True)["epochs"] == 2
