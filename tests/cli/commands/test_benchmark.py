import json
import shutil
import signal
import subprocess
import sys
import time

import numba
import pytest

from dlcli.cli import shipped
from dlcli.cli.commands import benchmark
from dlcli.kernels import peak
from tests.cli.conftest import run
from tests.test_configs import IMAGES, OWN_DATA, SHRUNK, STAND_INS


@pytest.fixture(autouse=True)
def threads():
    before = numba.get_num_threads()
    yield
    numba.set_num_threads(before)


@pytest.fixture(autouse=True)
def quick_peak(monkeypatch):
    full = peak.peak
    monkeypatch.setattr(peak, "peak", lambda threads: full(threads, seconds=0))


def test_json_has_the_promised_keys(config):
    result = run("benchmark", config, "--steps", "3", "--json", "--quiet")
    found = json.loads(result.stdout)
    assert (result.exit_code, result.stderr) == (0, "")
    step = found["step_ms"]
    assert 0 < step["min"] <= step["median"]
    assert found["samples_per_second"] == pytest.approx(1e3 * 10 / step["median"])
    assert found["gflops"] == pytest.approx(1e-6 * 2 * 10 * (2 * 6 * 5 + 3 * 5 * 3) / step["median"])
    assert found["share_of_peak"] == pytest.approx(found["gflops"] / found["peak_gflops"])
    assert 20 < found["peak_memory_mb"] < 100_000
    assert (found["threads"], found["batch_size"], found["steps"]) == (numba.get_num_threads(), 10, 3)
    assert (found["stage"], found["network"]) == ("supervised", "6-5-3")
    hidden, output = found["layers"]
    assert {"name", "type", "forward_ms", "backward_ms", "gflops"} <= hidden.keys()
    assert [(layer["name"], layer["type"]) for layer in (hidden, output)] == [("hidden", "dense"), ("output", "dense")]
    shares = [layer["share_of_step"] for layer in found["layers"]]
    assert sum(shares) + found["rest_share_of_step"] == pytest.approx(1)


def test_text(config):
    result = run("benchmark", config, "--steps", "2")
    lines = result.stdout.splitlines()
    assert lines[0].split("  ")[0] == "layer"
    assert [line.split()[0] for line in lines[1:5]] == ["hidden", "output", "loss", "total"]
    assert lines[4].endswith("100.0 %")
    assert "6-5-3 (small, supervised)" in result.stdout
    assert "% of a step" in result.stdout
    assert "timing steps of 10 samples on " in result.stderr


@pytest.mark.parametrize(
    ("most", "hint"), [("rest", "Loss, metrics and"), ("layer", "conv takes 75 % of a step, 67 %")]
)
def test_hint_says_what_dominates(most, hint):
    share = 0.25 if most == "rest" else 0.75
    layer = {"name": "conv", "forward_ms": 1.0, "backward_ms": 2.0, "share_of_step": share}
    result = {"layers": [layer], "rest_share_of_step": 1 - share, "step_ms": {"min": 4.0, "median": 5.0}}
    assert benchmark._hint(result).startswith(hint)
    assert "vary" not in benchmark._hint(result)
    assert "vary" in benchmark._hint(result | {"step_ms": {"min": 1.0, "median": 5.0}})


def test_options_are_respected(config):
    arguments = ("--steps", "1", "--threads", "2", "--batch-size", "77", "--json")
    found = json.loads(run("benchmark", config, *arguments, "--set", "network.hidden.units=8").stdout)
    assert (found["threads"], found["batch_size"], found["network"]) == (2, 77, "6-8-3")


def test_a_batch_is_no_larger_than_the_data_unless_asked(config):
    found = json.loads(run("benchmark", config, "--steps", "1", "--set", "data.batch_size=500", "--json").stdout)
    assert found["batch_size"] == 48


def test_a_stage_of_the_pretraining(config):
    found = json.loads(run("benchmark", config, "--steps", "1", "--stage", "pretrain/hidden", "--json").stdout)
    assert (found["stage"], found["network"]) == ("pretrain/hidden", "6-5-6")
    assert [layer["name"] for layer in found["layers"]] == ["hidden", "hidden.mirror"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--steps", "0"], 2, "0 is not in the range"),
        (["--batch-size", "0"], 2, "0 is not in the range"),
        (["--batch-size", "many"], 2, "'many' is not a valid integer"),
        (["--stage", "output"], 2, "found 'output', expected pretrain/hidden or supervised"),
        (["--stage", "pretrain/hidden", "--set", "pretrain.method=rbm"], 2, "is not trained by backpropagation"),
        (["--set", "network.hidden.units=0"], 2, "network.0.units"),
        (["--batch-size", "1000000", "--set", "network.hidden.units=10000000"], 2, "this machine has"),
        (["--set", "data.source={type: cifar10, root: nowhere}"], 3, "nowhere"),
    ],
)
def test_mistakes(config, arguments, code, message):
    result = run("benchmark", config, *arguments)
    assert result.exit_code == code
    assert message in result.stderr
    assert result.stdout == ""


def test_nothing_is_written(config, tmp_path):
    assert run("benchmark", config, "--steps", "1").exit_code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["small.yaml"]


@pytest.mark.parametrize("name", shipped.names())
def test_every_shipped_config(name, tmp_path, monkeypatch):
    shutil.copytree(shipped.folder(), tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    changes = SHRUNK.get(name, [] if name in OWN_DATA else [STAND_INS.get(name, IMAGES)])
    result = run(
        "benchmark",
        f"{name}.yaml",
        *(word for change in changes for word in ("--set", change)),
        "--steps",
        "1",
        "--batch-size",
        "4",
        "--json",
    )
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["gflops"] > 0


def test_ctrl_c_ends_it_at_once(config, environment):
    command = [sys.executable, "-m", "dlcli", "benchmark", config, "--steps", "1000000"]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    while not process.stderr.readline().startswith("timing steps"):
        assert process.poll() is None
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    asked = time.monotonic()
    assert process.communicate(timeout=20)[1].endswith("interrupted\n")
    assert process.returncode == 130
    assert time.monotonic() - asked < 5
