"""The run directory: one process at a time, nothing lost, nothing left over."""

import errno
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from dlcli.errors import CheckpointError, EnvironmentFailure, UsageError
from dlcli.training.checkpoint import Checkpoint, load
from dlcli.training.run_directory import RunDirectory, find_checkpoint, has_checkpoint, load_latest, read_rows

HOLDER = """
import sys
from pathlib import Path
from dlcli.training.run_directory import RunDirectory

with RunDirectory(Path(sys.argv[1])) as directory:
    directory.write_row({"epoch": 1})
    print("ready", flush=True)
    sys.stdin.readline()
    directory.write_row({"epoch": 2})
"""


def checkpoint(value: float) -> Checkpoint:
    return Checkpoint({"a": np.array([value], np.float32)}, {"value": value})


def numbered(path: Path) -> list[int]:
    return sorted(int(entry.stem) for entry in (path / "checkpoints").iterdir() if entry.stem.isdigit())


def test_a_new_directory_has_its_parts(tmp_path):
    path = tmp_path / "deep" / "run"
    with RunDirectory(path) as directory:
        directory.write_config("name: tiny\n")
        directory.write_row({"epoch": 1, "train_loss": 0.1})
        directory.log("hello")
        directory.save(6, checkpoint(1), best=True)
    assert (path / "config.yaml").read_text() == "name: tiny\n"
    assert read_rows(path) == [{"epoch": 1, "train_loss": 0.1}]
    hello, done = (path / "log.txt").read_text().splitlines()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  hello", hello)
    assert done.endswith("  done")
    for link in ("last", "best"):
        target = os.readlink(path / "checkpoints" / f"{link}.safetensors")
        assert not os.path.isabs(target)
        assert load(path / "checkpoints" / f"{link}.safetensors").record == {"value": 1}
    moved = path.rename(tmp_path / "moved")
    assert find_checkpoint(moved, "last").is_file()


def test_what_ended_a_run_is_logged(tmp_path):
    with pytest.raises(UsageError), RunDirectory(tmp_path / "run"):
        raise UsageError("it was not to be")
    assert "it was not to be" in (tmp_path / "run" / "log.txt").read_text()


def test_one_that_exists_is_refused_unchanged(tmp_path):
    with RunDirectory(tmp_path / "run") as directory:
        directory.write_row({"epoch": 1})
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "run").iterdir()}
    with pytest.raises(UsageError, match=r"run: exists already; give --resume .* --overwrite .*--out"):
        RunDirectory(tmp_path / "run")
    assert {path.name: path.stat().st_mtime_ns for path in (tmp_path / "run").iterdir()} == before


def test_a_file_in_its_place_is_refused(tmp_path):
    (tmp_path / "run").write_text("mine")
    with pytest.raises(UsageError, match="exists already"):
        RunDirectory(tmp_path / "run")
    with pytest.raises(EnvironmentFailure, match="run: cannot write"):
        RunDirectory(tmp_path / "run", overwrite=True)
    assert (tmp_path / "run").read_text() == "mine"


def test_an_empty_directory_is_taken(tmp_path):
    with RunDirectory(tmp_path):
        assert (tmp_path / "checkpoints").is_dir()


def test_overwrite_removes_the_run_and_nothing_else(tmp_path):
    with RunDirectory(tmp_path / "run") as directory:
        directory.write_row({"epoch": 1})
        directory.log("old")
        directory.save(1, checkpoint(1), best=True)
    (tmp_path / "run" / "notes.md").write_text("mine")
    with RunDirectory(tmp_path / "run", overwrite=True):
        assert not has_checkpoint(tmp_path / "run")
        assert read_rows(tmp_path / "run") == []
        assert "old" not in (tmp_path / "run" / "log.txt").read_text()
        assert (tmp_path / "run" / "notes.md").read_text() == "mine"


def test_resume_without_a_checkpoint_is_an_error_that_makes_nothing(tmp_path):
    with pytest.raises(UsageError, match="run: there is no checkpoint to resume from"):
        RunDirectory(tmp_path / "run", resume=True)
    assert not (tmp_path / "run").exists()


def test_the_lock_names_its_holder_and_dies_with_it(tmp_path):
    command = [sys.executable, "-c", HOLDER, tmp_path / "run"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "ready\n"
        began = time.monotonic()
        with pytest.raises(EnvironmentFailure, match=f"in use by process {holder.pid} on {socket.gethostname()}"):
            RunDirectory(tmp_path / "run", overwrite=True)
        assert time.monotonic() - began < 2
        assert read_rows(tmp_path / "run") == [{"epoch": 1}]
        holder.communicate("\n", timeout=60)
        assert holder.returncode == 0
    assert read_rows(tmp_path / "run") == [{"epoch": 1}, {"epoch": 2}]  # the holder was not disturbed
    with subprocess.Popen(
        [*command[:-1], tmp_path / "killed"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout.readline() == b"ready\n"
        holder.send_signal(signal.SIGKILL)
        assert holder.wait(60) == -signal.SIGKILL
    with RunDirectory(tmp_path / "killed", overwrite=True):
        assert (tmp_path / "killed" / "lock").read_text() == f"process {os.getpid()} on {socket.gethostname()}\n"


def test_a_lock_file_of_a_dead_process_elsewhere_is_taken_over(tmp_path):
    (tmp_path / "lock").write_text("process 4194305 on another-host\n")
    with RunDirectory(tmp_path):
        assert "another-host" not in (tmp_path / "lock").read_text()


def test_so_many_are_kept_and_the_best(tmp_path):
    with RunDirectory(tmp_path / "run", keep=2) as directory:
        for number in (1, 2, 3, 4, 5):
            directory.save(number, checkpoint(number), best=number == 2)
        assert numbered(tmp_path / "run") == [2, 4, 5]
        assert load(find_checkpoint(tmp_path / "run")).record == {"value": 2}
        assert load(find_checkpoint(tmp_path / "run", "last")).record == {"value": 5}
        directory.save(6, checkpoint(6), best=True)
        assert numbered(tmp_path / "run") == [5, 6]  # the former best is no longer exempt


def test_the_order_is_that_of_numbers_however_long(tmp_path):
    with RunDirectory(tmp_path / "run", keep=1) as directory:
        for number in (9, 10, 99_999_999, 100_000_000):
            directory.save(number, checkpoint(number), best=False)
    assert numbered(tmp_path / "run") == [100_000_000]


def test_metrics_are_cut_and_go_on(tmp_path):
    with RunDirectory(tmp_path / "run") as directory:
        directory.write_row({"epoch": 1})
        offset = directory.metrics_offset
        directory.write_row({"epoch": 2})
        directory.save(1, checkpoint(1), best=False)
    with RunDirectory(tmp_path / "run", resume=True) as directory:
        assert directory.metrics_offset > offset
        directory.cut_metrics(offset)
        directory.write_row({"epoch": 2, "again": True})
        assert directory.metrics_offset == (tmp_path / "run" / "metrics.jsonl").stat().st_size
    assert read_rows(tmp_path / "run") == [{"epoch": 1}, {"epoch": 2, "again": True}]


def test_metrics_that_are_missing_are_not_made_up(tmp_path):
    with RunDirectory(tmp_path / "run") as directory, pytest.raises(CheckpointError, match=r"found 0 bytes.* 500"):
        directory.cut_metrics(500)


def test_orphans_of_a_killed_save_are_removed(tmp_path):
    with RunDirectory(tmp_path / "run") as directory:
        directory.save(1, checkpoint(1), best=False)
    orphans = [tmp_path / "run" / ".config.yaml.tmp", tmp_path / "run" / "checkpoints" / ".0000000002.safetensors.tmp"]
    for orphan in orphans:
        orphan.write_text("half")
    (tmp_path / "run" / "checkpoints" / ".last.tmp").symlink_to("0000000001.safetensors")
    with RunDirectory(tmp_path / "run", resume=True):
        assert not any(orphan.exists() for orphan in orphans)
        assert {path.stem for path in (tmp_path / "run" / "checkpoints").iterdir()} == {"0000000001", "last"}


def test_a_damaged_newest_checkpoint_is_announced_and_passed_over(tmp_path):
    with RunDirectory(tmp_path / "run") as directory:
        for number in (1, 2):
            directory.save(number, checkpoint(number), best=False)
    newest = find_checkpoint(tmp_path / "run", "last")
    newest.write_bytes(newest.read_bytes()[:-1])
    path, found, messages = load_latest(tmp_path / "run")
    assert (path.name, found.record) == ("0000000001.safetensors", {"value": 1})
    assert len(messages) == 1
    assert "0000000002.safetensors" in messages[0]
    with RunDirectory(tmp_path / "run", resume=True, keep=2) as directory:
        directory.save(1, checkpoint(1), best=False)
        assert numbered(tmp_path / "run") == [1]  # the damaged one makes room


def test_the_checkpoint_that_last_points_to_is_the_latest(tmp_path):
    with RunDirectory(tmp_path / "run") as directory:
        for number in (1, 2):
            directory.save(number, checkpoint(number), best=False)
    last = tmp_path / "run" / "checkpoints" / "last.safetensors"
    last.unlink()
    last.symlink_to("0000000001.safetensors")
    assert load_latest(tmp_path / "run")[1].record == {"value": 1}
    last.unlink()
    assert load_latest(tmp_path / "run")[1].record == {"value": 2}


def test_no_whole_checkpoint_is_an_error_that_names_all(tmp_path):
    with RunDirectory(tmp_path / "run") as directory:
        for number in (1, 2):
            directory.save(number, checkpoint(number), best=False)
    for path in (tmp_path / "run" / "checkpoints").glob("0*"):
        path.write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"(?s)0000000002.*0000000001"):
        load_latest(tmp_path / "run")


def test_find_checkpoint_prefers_the_best_and_takes_files(tmp_path):
    with RunDirectory(tmp_path / "run") as directory:
        directory.save(1, checkpoint(1), best=False)
        assert find_checkpoint(tmp_path / "run").name == "last.safetensors"
        directory.save(2, checkpoint(2), best=True)
        directory.save(3, checkpoint(3), best=False)
    assert find_checkpoint(tmp_path / "run").name == "best.safetensors"
    file = tmp_path / "run" / "checkpoints" / "0000000003.safetensors"
    assert find_checkpoint(file) == file
    assert find_checkpoint(tmp_path / "run", str(file)) == file
    with pytest.raises(CheckpointError, match="found no best or last checkpoint; expected a run directory"):
        find_checkpoint(tmp_path)
    with pytest.raises(CheckpointError, match=r"found no other\.safetensors checkpoint"):
        find_checkpoint(tmp_path / "run", "other.safetensors")


def test_best_is_never_behind_last(tmp_path, monkeypatch):
    """A kill between the two links must leave a `last` that finds this checkpoint best again."""
    with RunDirectory(tmp_path / "run") as directory:
        directory.save(1, checkpoint(1), best=True)
        real = os.replace

        def killed_before_last(source, target):
            if Path(target).name == "last.safetensors":
                raise KeyboardInterrupt
            real(source, target)

        monkeypatch.setattr(os, "replace", killed_before_last)
        with pytest.raises(KeyboardInterrupt):
            directory.save(2, checkpoint(2), best=True)
    assert load(find_checkpoint(tmp_path / "run", "best")).record == {"value": 2}
    assert load(find_checkpoint(tmp_path / "run", "last")).record == {"value": 1}


@pytest.mark.parametrize("call", ["symlink", "replace", "fsync", "unlink"])
def test_a_save_that_the_disk_refuses_is_loud_and_loses_nothing(tmp_path, monkeypatch, call):
    with RunDirectory(tmp_path / "run", keep=1) as directory:
        directory.save(1, checkpoint(1), best=True)

        def refuse(*_, **__):
            raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

        monkeypatch.setattr(os, call, refuse)
        with pytest.raises(EnvironmentFailure, match=f"checkpoints.*{os.strerror(errno.EDQUOT)}"):
            directory.save(2, checkpoint(2), best=True)
        monkeypatch.undo()
    for link in ("last", "best"):
        assert load(find_checkpoint(tmp_path / "run", link)).record["value"] in (1, 2)


def test_a_full_disk_is_told_once_however_the_directory_is_left(tmp_path):
    with RunDirectory(tmp_path / "run") as directory:
        directory.save(1, checkpoint(1), best=False)
    (tmp_path / "run" / "metrics.jsonl").unlink()
    (tmp_path / "run" / "metrics.jsonl").symlink_to("/dev/full")
    with (
        pytest.raises(EnvironmentFailure, match=r"metrics\.jsonl: cannot write: No space left"),
        RunDirectory(tmp_path / "run", resume=True) as directory,
    ):
        directory.write_row({"epoch": 1})


def test_a_log_that_cannot_be_written_stops_nothing(tmp_path):
    with RunDirectory(tmp_path / "run") as directory:
        directory.save(1, checkpoint(1), best=False)
    (tmp_path / "run" / "log.txt").unlink()
    (tmp_path / "run" / "log.txt").symlink_to("/dev/full")
    with RunDirectory(tmp_path / "run", resume=True) as directory:
        directory.log("lost")


def test_rows_that_are_no_json_are_told_with_the_path(tmp_path):
    (tmp_path / "metrics.jsonl").write_text('{"epoch": 1}\n{"epoch"')
    with pytest.raises(CheckpointError, match=r"metrics\.jsonl: cannot read"):
        read_rows(tmp_path)
    with pytest.raises(CheckpointError, match=r"metrics\.jsonl: cannot read"):
        read_rows(tmp_path / "none")


def test_overwrite_spares_a_folder_that_is_no_run(tmp_path):
    (tmp_path / "config.yaml").write_text("mine")
    with pytest.raises(UsageError, match="is no run of dlcli"):
        RunDirectory(tmp_path, overwrite=True)
    assert (tmp_path / "config.yaml").read_text() == "mine"
