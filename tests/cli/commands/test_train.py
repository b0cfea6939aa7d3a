import contextlib
import json
import os
import pty
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from dlcli import cache
from dlcli.errors import DataError
from tests.cli.conftest import run

KEYS = {"run", "epochs", "train_error", "validation_error", "test_error", "test_loss", "seconds", "stopped_by"}


def test_train_prints_json_and_writes_a_run(config):
    result = run("train", config, "--json", "--quiet", "--out", "here")
    assert (result.exit_code, result.stderr) == (0, "")
    summary = json.loads(result.stdout)
    assert summary.keys() >= KEYS
    assert (summary["run"], summary["epochs"], summary["stopped_by"]) == ("here", 3, "epochs")
    assert {path.name for path in Path("here").iterdir()} >= {"config.yaml", "metrics.jsonl", "checkpoints", "log.txt"}


def test_train_prints_the_result_on_stdout_and_a_line_an_epoch_on_stderr(config):
    result = run("train", config)
    rows = dict(line.rsplit("  ", 1) for line in result.stdout.splitlines())
    assert {name.strip(): value for name, value in rows.items()}["run"] == "runs/small"
    assert "test error" in result.stdout
    lines = result.stderr.splitlines()
    assert [line.split("  ")[0] for line in lines if line.startswith("supervised ")] == [
        f"supervised {epoch}/3" for epoch in (1, 2, 3)
    ]
    assert lines[0] == "pretrain/hidden: 2 epochs of 5 steps, 48 samples"
    assert "\r" not in result.stderr


def test_a_cold_kernel_cache_is_told_unless_quiet(config, monkeypatch):
    def compile_and_stop(*_, **__):
        cache._announce()
        cache._announce()
        raise DataError("enough")

    monkeypatch.setattr("dlcli.wiring.run", compile_and_stop)
    assert run("train", config).stderr == f"{cache.COMPILING}\nerror: enough\n"
    assert run("train", config, "--quiet").stderr == "error: enough\n"


def test_set_and_seed_change_the_config(config):
    result = run("train", config, "--quiet", "--seed", "9", "--set", "training.epochs=1", "--set", "name=other")
    assert result.exit_code == 0
    text = Path("runs/other/config.yaml").read_text()
    assert "seed: 9" in text
    assert len(Path("runs/other/metrics.jsonl").read_text().splitlines()) == 2 + 1 + 1  # and the test


def test_a_run_is_neither_overwritten_nor_resumed_unasked(config):
    assert run("train", config, "--quiet").exit_code == 0
    before = Path("runs/small/metrics.jsonl").read_text()
    refused = run("train", config, "--quiet")
    assert refused.exit_code == 2
    assert "--resume" in refused.stderr
    assert Path("runs/small/metrics.jsonl").read_text() == before
    longer = run("train", config, "--quiet", "--json", "--resume", "--set", "training.epochs=4")
    assert json.loads(longer.stdout)["epochs"] == 4
    anew = run("train", config, "--quiet", "--json", "--overwrite")
    assert json.loads(anew.stdout)["epochs"] == 3


def test_nothing_to_resume_is_an_error(config):
    assert run("train", config, "--resume").exit_code == 2


def test_pretrain_then_train_is_train(config):
    """The same bits, metric for metric."""
    assert run("train", config, "--quiet", "--out", "whole").exit_code == 0
    assert run("pretrain", config, "--quiet", "--out", "first").exit_code == 0
    assert run("train", config, "--quiet", "--init", "first", "--out", "second").exit_code == 0

    def rows(folder):
        parsed = map(json.loads, Path(folder, "metrics.jsonl").read_text().splitlines())
        return [{k: v for k, v in row.items() if k not in ("seconds", "samples_per_second")} for row in parsed]

    assert rows("first") + rows("second") == rows("whole")


def test_pretrain_without_a_section_is_refused(config):
    result = run("pretrain", config, "--set", "pretrain=null")
    assert result.exit_code == 2
    assert "pretrain" in result.stderr


@pytest.mark.parametrize(
    ("override", "code", "message"),
    [
        ("network.output.units=4", 2, "found 4 outputs, expected 3"),
        ("data.source={type: csv, train: nowhere.csv}", 3, "nowhere.csv"),
        ("sgd.learning_rate=1e38", 6, "diverged"),
        ("output.directory=/proc", 5, "/proc"),
    ],
)
def test_failures_have_their_codes(config, override, code, message):
    result = run("train", config, "--quiet", "--set", override)
    assert (result.exit_code, result.stdout) == (code, "")
    assert result.stderr.startswith("error: ")
    assert message in result.stderr


def test_a_misfit_names_the_line(config):
    result = run("train", config, "--set", "data.validation=0.0", "--set", "training.best=validation_error")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ")
    assert "training.best: " in result.stderr
    assert result.stderr.count(":") >= 4


def started(config, environment, **streams):
    command = [sys.executable, "-m", "dlcli", "train", config, "--set", "training.epochs=100000", "--json"]
    return subprocess.Popen(command, env=environment, **streams)


def wait_for(path, seconds=60):
    deadline = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} did not appear"
        time.sleep(0.02)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_and_stops(config, environment, number, code):
    process = started(config, environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for(Path("runs/small/checkpoints/last.safetensors"))
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (code, "")
    assert "go on with --resume" in err.splitlines()[-1]
    assert "error" not in err.splitlines()[-1]


def test_training_survives_the_loss_of_its_progress(config, environment):
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "dlcli", "train", config, "--json"]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=write, check=False)
    os.close(write)
    assert done.returncode == 0
    assert json.loads(done.stdout)["epochs"] == 3


def test_a_terminal_gets_a_bar(config, environment):
    leader, follower = pty.openpty()
    termios.tcsetwinsize(follower, (25, 120))
    process = subprocess.Popen(
        [sys.executable, "-m", "dlcli", "train", config], env=environment | {"TERM": "xterm"},
        stdout=subprocess.DEVNULL, stderr=follower,
    )  # fmt: skip
    os.close(follower)
    shown = b""
    with contextlib.suppress(OSError):  # EIO: the other end is closed
        while piece := os.read(leader, 65536):
            shown += piece
    os.close(leader)
    assert process.wait() == 0
    text = shown.decode()
    assert "\rsupervised " in text
    assert " left" in text
