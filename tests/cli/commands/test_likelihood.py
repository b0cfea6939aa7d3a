import json
import re
from pathlib import Path

import numpy as np
import pytest

from dlcli.models.general_boltzmann import machine_of
from dlcli.pretrain.boltzmann import exact
from dlcli.pretrain.boltzmann.dbm import Dbm
from dlcli.pretrain.boltzmann.dbm_bound import bipartite
from dlcli.pretrain.boltzmann.energy import Parameters
from dlcli.pretrain.boltzmann.machine import log_marginals, log_partition
from dlcli.trained import open_run
from dlcli.training.checkpoint import load
from tests.cli.conftest import run
from tests.pretrain.boltzmann.sums import deep_log_likelihood

CONFIG = """\
name: bits
data:
  source: {type: npz, file: bits.npz}
  validation: 0.25
network:
  - {type: dense, name: hidden1, units: UNITS, activation: sigmoid}
  - {type: dense, name: hidden2, units: 3, activation: sigmoid}
  - {type: dense, name: output, units: 2}
loss: softmax_cross_entropy
pretrain: {method: {type: rbm}, epochs: 2}
sgd: {learning_rate: 0.1}
training: {epochs: 1}
"""


@pytest.fixture(scope="module")
def bits(tmp_path_factory):
    """A folder with data of 24 bits, and runs with 5 hidden units, with 24, and with supervised training."""
    folder = tmp_path_factory.mktemp("bits")
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 2, (100, 24)).astype(np.float32), rng.integers(0, 2, 100)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        np.savez("bits.npz", x_train=x[:80], y_train=y[:80], x_test=x[80:], y_test=y[80:])
        for name, command, units in (("small", "pretrain", 5), ("large", "pretrain", 24), ("tuned", "train", 5)):
            Path(f"{name}.yaml").write_text(CONFIG.replace("UNITS", str(units)))
            assert run(command, f"{name}.yaml", "--out", name, "--quiet").exit_code == 0
        yield folder


def likelihood(*arguments) -> dict:
    result = run("likelihood", *arguments, "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def test_json_has_the_promised_keys(bits):
    result = likelihood("small")
    tensors = load(bits / "small/checkpoints/last.safetensors").tensors
    names = ("hidden1/weights", "hidden1.rbm/visible_bias", "hidden1/bias")
    of = Parameters(*(tensors[name] for name in names))
    x = np.load("bits.npz")["x_test"]
    log_z = exact.log_partition(of)
    assert result.pop("log_likelihood") == pytest.approx(exact.log_likelihood(of, x, log_z).mean())
    assert result.pop("log_partition") == pytest.approx(log_z)
    assert result == {
        "layer": "hidden1", "stage": "pretrain/hidden2", "split": "test", "samples": 20, "exact": True, "bound": False,
        "interval": None, "chains": None, "steps": None, "effective_chains": None, "inputs_changed": False,
    }  # fmt: skip


def test_layer_and_split_are_chosen(bits):
    found = [likelihood("small", "--layer", layer, "--split", split) for layer in ("hidden1", "hidden2")
             for split in ("train", "validation", "test")]  # fmt: skip
    assert [result["samples"] for result in found] == [60, 20, 20] * 2
    assert [result["layer"] for result in found] == ["hidden1"] * 3 + ["hidden2"] * 3
    assert len({result["log_likelihood"] for result in found}) == 6


def test_a_large_one_is_estimated(bits):
    result = likelihood("large", "--chains", "20", "--steps", "200")
    assert (result["exact"], result["chains"], result["steps"]) == (False, 20, 200)
    low, high = result["interval"]
    assert low < result["log_likelihood"] < high
    assert result == likelihood("large", "--chains", "20", "--steps", "200")
    text = run("likelihood", "large", "--chains", "20", "--steps", "200").stdout
    assert f"log-likelihood    {result['log_likelihood']:.4f} nats a sample\n" in text
    assert f"within 3 errors   {low:.4f} to {high:.4f}\n" in text
    assert text.endswith(", estimated\n")


def test_few_chains_are_noted(bits):
    result = run("likelihood", "large", "--chains", "5", "--steps", "2")
    assert re.search(r"^note: [1-5]\.\d chains decide the estimate; more --steps make it better$", result.stderr, re.M)


def test_text(bits):
    result = run("likelihood", "small")
    assert result.stdout.startswith("layer           hidden1\nsplit           test\nsamples         20\n")
    assert result.stdout.endswith(", exact\n")
    assert not result.stderr


def test_supervised_training_changes_no_machine_but_the_inputs_of_upper_ones(bits):
    before, after = run("likelihood", "small", "--json"), run("likelihood", "tuned", "--json")
    assert json.loads(after.stdout)["stage"] == "supervised"
    assert json.loads(after.stdout)["log_likelihood"] == json.loads(before.stdout)["log_likelihood"]
    assert not after.stderr
    upper = run("likelihood", "tuned", "--layer", "hidden2", "--json")
    assert json.loads(upper.stdout)["inputs_changed"]
    assert "supervised training has changed the layers below hidden2" in upper.stderr


def test_runs_without_an_rbm_are_refused(bits, trained):
    result = run("likelihood", trained)
    assert result.exit_code == 2
    assert "no layer has been pretrained as a Boltzmann machine; expected a run whose" in result.stderr
    result = run("likelihood", "small", "--layer", "output")
    assert (result.exit_code, "output has not been pretrained as a Boltzmann machine" in result.stderr) == (2, True)
    for option, number in (("--chains", "1"), ("--chains", "1" + 20 * "0"), ("--steps", "1" + 20 * "0")):
        result = run("likelihood", "large", option, number)
        assert (result.exit_code, "is not in the range" in result.stderr) == (2, True)


def test_a_deep_machine_has_a_bound(bits):
    config = CONFIG.replace(
        "{type: rbm}", "{type: dbm, joint_training: {epochs: 1, sgd: {learning_rate: 0.05}}}"
    ).replace("UNITS", "5")
    Path("deep.yaml").write_text(config)
    assert run("pretrain", "deep.yaml", "--out", "deep", "--quiet").exit_code == 0
    result = likelihood("deep")
    tensors = load(bits / "deep/checkpoints/last.safetensors").tensors
    names = ("hidden1.dbm/visible_bias", "hidden1.dbm/bias", "hidden2.dbm/bias")
    dbm = Dbm((tensors["hidden1.dbm/weights"], tensors["hidden2.dbm/weights"]), tuple(tensors[name] for name in names))
    x = np.load("bits.npz")["x_test"]
    log_z = exact.log_partition(bipartite(dbm))
    assert result["log_partition"] == pytest.approx(log_z)
    truth = deep_log_likelihood(dbm, x, log_z).mean()
    assert truth - 0.5 < result["log_likelihood"] <= truth
    assert (result["bound"], result["exact"], result["layer"]) == (True, True, "hidden2")
    assert "log-likelihood  at least -" in run("likelihood", "deep").stdout
    refused = run("likelihood", "deep", "--layer", "hidden1")
    assert refused.exit_code == 2
    assert "found layer hidden1, expected hidden2: a deep Boltzmann machine is one whole" in refused.stderr


def test_a_small_general_machine_is_exact(bits):
    config = CONFIG.replace("UNITS", "5").replace("{type: rbm}", "{type: boltzmann_machine}")
    Path("general.yaml").write_text(config)
    assert run("pretrain", "general.yaml", "--out", "general", "--quiet").exit_code == 0
    refused = run("likelihood", "general")  # 24 + 5
    assert refused.exit_code == 2
    assert "the machine of hidden1 has 29 units; expected 20 at most" in refused.stderr
    result = likelihood("general", "--layer", "hidden2")  # 5 + 3
    trained = open_run(Path("general"))
    machine = machine_of(trained, trained.network.graph.node("hidden2"))
    trained.network.forward(np.load("bits.npz")["x_test"])
    h = trained.network.outputs(20)["hidden1"]
    expected = log_marginals(machine, h).mean() - log_partition(machine)
    assert result["log_likelihood"] == pytest.approx(expected)
    assert (result["exact"], result["bound"], result["layer"], result["samples"]) == (True, False, "hidden2", 20)
