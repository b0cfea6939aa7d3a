import os
import pty
import subprocess
import sys

import click
import pytest

from dlcli.cli.failures import did_you_mean, exit_code
from dlcli.errors import (
    CheckpointError,
    ConfigError,
    DataError,
    Diverged,
    EnvironmentFailure,
    Exit,
    MisfitError,
    Mistake,
    UsageError,
)
from dlcli.training.signals import Stopped

DLCLI = [sys.executable, "-m", "dlcli"]


def raising(failure):
    def command():
        raise failure

    return command


@pytest.mark.parametrize(
    ("failure", "code", "text"),
    [
        (UsageError("no such split"), 2, "error: no such split\n"),
        (MisfitError(("network", 2, "units"), "too few"), 2, "error: network.2.units: too few\n"),
        (DataError("x.csv: line 3"), 3, "error: x.csv: line 3\n"),
        (CheckpointError("damaged"), 4, "error: damaged\n"),
        (EnvironmentFailure("disk full"), 5, "error: disk full\n"),
        (Diverged("its loss is nan"), 6, "error: its loss is nan\n"),
        (Stopped("stopped at step 3", Exit.INTERRUPTED), 130, "stopped at step 3\n"),
        (Stopped("stopped at step 3", Exit.TERMINATED), 143, "stopped at step 3\n"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
        (MemoryError("Unable to allocate 9 GiB"), 5, "error: out of memory: Unable to allocate 9 GiB\n"),
        (MemoryError(), 5, "error: out of memory\n"),
        (PermissionError(13, "Permission denied", "runs/x"), 5, "error: runs/x: Permission denied\n"),
        (OSError(28, "No space left on device"), 5, "error: cannot write the output: No space left on device\n"),
        (BrokenPipeError(32, "Broken pipe"), 141, ""),
        (click.exceptions.Exit(7), 7, ""),
        (click.UsageError("bad"), 2, "error: bad\n"),
    ],
)  # fmt: skip
def test_each_failure_has_its_code_and_its_text(failure, code, text, capsys):
    assert exit_code(raising(failure)) == code
    assert capsys.readouterr() == ("", text)


def test_success_is_zero():
    assert exit_code(lambda: "ignored") == 0


def test_each_mistake_of_a_config_is_a_line(capsys):
    mistakes = [Mistake("a.yaml", 1, 2, "seed", "found -1"), Mistake("a.yaml", 9, 1, "sgd", "missing")]
    assert exit_code(raising(ConfigError(mistakes))) == 2
    assert capsys.readouterr().err == "error: a.yaml:1:2: seed: found -1\nerror: a.yaml:9:1: sgd: missing\n"


def test_a_defect_shows_its_traceback_on_request_only(capsys, monkeypatch):
    monkeypatch.delenv("DLCLI_DEBUG", raising=False)
    assert exit_code(raising(KeyError("x"))) == 1
    quiet = capsys.readouterr().err
    assert quiet.startswith("error: a defect in dlcli, please report it: KeyError: 'x'")
    assert "Traceback" not in quiet
    monkeypatch.setenv("DLCLI_DEBUG", "1")
    assert exit_code(raising(KeyError("x"))) == 1
    assert "Traceback" in capsys.readouterr().err


def test_did_you_mean():
    assert did_you_mean("trian", ["train", "plot"]) == "; did you mean 'train'?"
    assert did_you_mean("zzz", ["train", "plot"]) == ""


def test_a_closed_pipe_ends_without_a_word(environment):
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [*DLCLI, "--help"], env=environment, stdout=write, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (141, "")


def test_a_full_disk_behind_stdout(environment):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*DLCLI, "--help"], env=environment, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 5
    assert done.stderr == "error: cannot write the output: No space left on device\n"


def test_streams_may_be_closed(environment, tmp_path):
    """No file that dlcli opens may take the number of a closed stream."""
    code = (
        "import os; from dlcli.cli.failures import open_closed_descriptors; open_closed_descriptors();"
        f"os._exit(os.open({str(tmp_path / 'file')!r}, os.O_CREAT))"
    )
    command = ["sh", "-c", '"$0" -c "$1" <&- >&- 2>&-', sys.executable, code]
    assert subprocess.run(command, env=environment, check=False).returncode == 3
    command = ["sh", "-c", '"$0" -m dlcli trian 2>&-', sys.executable]
    assert subprocess.run(command, env=environment, check=False).returncode == 2


@pytest.mark.parametrize(("setting", "coloured"), [({}, True), ({"NO_COLOR": ""}, True), ({"NO_COLOR": "1"}, False)])
def test_colours_only_where_they_are_wanted(setting, coloured, environment):
    leader, follower = pty.openpty()
    subprocess.run([*DLCLI, "trian"], env=environment | setting, stderr=follower, check=False)
    os.close(follower)
    shown = os.read(leader, 10_000).decode()
    os.close(leader)
    assert "there is no command" in shown
    assert ("\x1b[" in shown) == coloured
