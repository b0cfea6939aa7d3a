"""Signals, sent to real processes: what was under way is saved, and goes on to the same bits."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from dlcli.errors import Exit
from dlcli.training.run_directory import has_checkpoint
from dlcli.training.signals import Requests
from tests.runs import PRETRAINED, STEPS, experiment, last, outcome, train

ROOT = Path(__file__).parents[2]
RUN = experiment(PRETRAINED, training__epochs=4)
STAGE = 2 * STEPS  # steps of each of the two layers' pretraining

# Trains RUN and sends itself signals after a given number of steps.
SENDER = """
import os, sys
from pathlib import Path
from dlcli.errors import DlcliError
from tests.runs import Recorder, train
from tests.training.test_signals import RUN

step, resume, *signals = map(int, sys.argv[2:])
send = lambda: [os.kill(os.getpid(), number) for number in signals]
try:
    train(Path(sys.argv[1]), RUN, reporter=Recorder({step: send}), resume=bool(resume))
except DlcliError as failure:
    sys.exit(failure.exit_code)
"""
LONG = experiment(training__epochs=60, output__checkpoint_every={"epochs": 20, "steps": 7})
TRAINER = """
import sys
from pathlib import Path
from tests.runs import train
from tests.training.test_signals import LONG

train(Path(sys.argv[1]), LONG, resume=bool(int(sys.argv[2])))
"""


def send_after(directory, step, *signals, resume=False) -> int:
    """Run RUN in a process that sends itself signals after a step; gives its exit code."""
    arguments = [str(directory), str(step), str(int(resume)), *(str(int(number)) for number in signals)]
    return subprocess.run([sys.executable, "-c", SENDER, *arguments], cwd=ROOT, timeout=300, check=False).returncode


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    directory = tmp_path_factory.mktemp("whole") / "run"
    train(directory, RUN)
    return outcome(directory)


def test_term_within_an_epoch_of_pretraining_and_int_in_training(tmp_path, whole):
    run = tmp_path / "run"
    assert send_after(run, STAGE + 3, signal.SIGTERM) == 143
    progress = last(run).record["progress"]
    assert (progress["stage"], progress["step"]) == ("pretrain/hidden2", 3)
    assert send_after(run, STAGE + 4, signal.SIGINT, resume=True) == 130
    progress = last(run).record["progress"]
    assert (progress["stage"], progress["step"]) == ("supervised", 7)
    train(run, RUN, resume=True)
    assert outcome(run) == whole


def test_a_second_signal_ends_at_once(tmp_path):
    assert send_after(tmp_path / "run", 3, signal.SIGTERM, signal.SIGINT) == 130
    assert not has_checkpoint(tmp_path / "run")


def test_hup_and_usr1_save_and_go_on(tmp_path, whole):
    run = tmp_path / "run"
    assert send_after(run, 2 * STAGE + 4 * STEPS - 1, signal.SIGHUP, signal.SIGUSR1) == 0
    assert outcome(run) == whole
    assert (run / "checkpoints" / f"{2 * STAGE + 4 * STEPS - 1:010}.safetensors").is_file()


def test_killed_again_and_again_it_ends_with_the_same_bits(tmp_path):
    """Kills at random times, the first ones soon after a step; what a kill loses is done again."""
    train(tmp_path / "whole", LONG)
    run, random = tmp_path / "run", np.random.default_rng(3)
    kills = 0
    while True:
        command = [sys.executable, "-c", TRAINER, str(run), str(int(has_checkpoint(run)))]
        with subprocess.Popen(command, cwd=ROOT) as process:
            ended = wait_for_news(run, process)
            if not ended and kills < 3:
                time.sleep(random.uniform(0, 0.2))
                process.kill()
                kills += 1
            if process.wait(300) == 0:
                break
            assert process.returncode == -signal.SIGKILL
    assert kills
    assert outcome(run) == outcome(tmp_path / "whole")
    assert not list(run.rglob(".*"))  # no orphans


def wait_for_news(run, process) -> bool:
    """Wait until another checkpoint is written; says whether the process ended meanwhile."""
    link = run / "checkpoints" / "last.safetensors"
    before = os.readlink(link) if link.is_symlink() else None
    while process.poll() is None:
        if link.is_symlink() and os.readlink(link) != before:
            return False
        time.sleep(0.005)
    return True


@pytest.mark.parametrize(
    ("number", "stop", "save"),
    [
        (signal.SIGINT, Exit.INTERRUPTED, False),
        (signal.SIGTERM, Exit.TERMINATED, False),
        (signal.SIGHUP, None, True),
        (signal.SIGUSR1, None, True),
    ],
)
def test_requests_note_signals_and_give_the_handlers_back(number, stop, save):
    before = signal.getsignal(number)
    with Requests() as requests:
        assert (requests.stop, requests.save) == (None, False)
        signal.raise_signal(number)
        assert (requests.stop, requests.save) == (stop, save)
    assert signal.getsignal(number) is before


def test_the_first_request_to_stop_decides(monkeypatch):
    ended = []
    monkeypatch.setattr(os, "_exit", ended.append)
    with Requests() as requests:
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGHUP)
        assert ended == []
        signal.raise_signal(signal.SIGINT)
    assert requests.stop == 143
    assert ended == [130]
