"""The run directory: config, metrics, log and checkpoints, for one process at a time."""

import fcntl
import json
import os
import socket
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self, TextIO

from dlcli.errors import CheckpointError, EnvironmentFailure, UsageError
from dlcli.training.checkpoint import SUFFIX, Checkpoint, load, replace_file, save, sync_folder
from dlcli.training.progress import Row

CHECKPOINTS, METRICS, LOG, CONFIG, LOCK = "checkpoints", "metrics.jsonl", "log.txt", "config.yaml", "lock"
LAST, BEST = "last", "best"


class RunDirectory:
    """A run directory that this process writes; a context that holds its lock.

    Raises
    ------
    UsageError: it exists already, and neither ``resume`` nor ``overwrite`` was asked for; or nothing to resume.
    EnvironmentFailure: it cannot be written, or another process is at work in it.
    """

    def __init__(self, path: Path, *, resume: bool = False, overwrite: bool = False, keep: int = 2) -> None:
        self.path, self._keep = path, keep
        occupied = path.exists() and (not path.is_dir() or any(entry.name != LOCK for entry in path.iterdir()))
        if resume and not has_checkpoint(path):
            raise UsageError(f"{path}: there is no checkpoint to resume from")
        if occupied and not resume and not overwrite:
            raise UsageError(f"{path}: exists already; give --resume to go on, --overwrite to begin anew, or --out")
        if occupied and path.is_dir() and not resume and not (path / LOCK).is_file():
            raise UsageError(f"{path}: is no run of dlcli, and --overwrite replaces nothing else; give another --out")
        with ExitStack() as files:
            try:
                path.mkdir(parents=True, exist_ok=True)
                # The kernel frees the lock with the file, also when the process is killed.
                self._take_lock(files.enter_context((path / LOCK).open("a+", encoding="utf-8")))
                if overwrite and not resume:
                    self._clear()
                (path / CHECKPOINTS).mkdir(exist_ok=True)
                for orphan in (*path.glob(".*.tmp"), *(path / CHECKPOINTS).glob(".*.tmp")):
                    orphan.unlink()
                self._metrics = (path / METRICS).open("ab")
                files.callback(_close, self._metrics)
                self._log = (path / LOG).open("a", encoding="utf-8")
                files.callback(_close, self._log)
            except OSError as error:
                raise EnvironmentFailure(f"{path}: cannot write: {error.strerror or error}") from error
            self._files = files.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, _: TracebackType | None) -> None:
        self.log("done" if value is None else str(value))
        self._files.close()

    def write_config(self, text: str) -> None:
        """Keep the resolved config."""
        replace_file(self.path / CONFIG, text.encode())

    def write_row(self, row: Row) -> None:
        """Append one object to metrics.jsonl; it is on disk when this returns."""
        try:
            self._metrics.write(json.dumps(row, allow_nan=False).encode() + b"\n")
            self._metrics.flush()
            os.fsync(self._metrics.fileno())
        except OSError as error:
            raise EnvironmentFailure(f"{self.path / METRICS}: cannot write: {error.strerror or error}") from error

    def log(self, text: str) -> None:
        """Append text and the time to log.txt; a log that cannot be written stops nothing."""
        with suppress(OSError):
            self._log.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')}  {text}\n")
            self._log.flush()

    @property
    def metrics_offset(self) -> int:
        """Length of metrics.jsonl in bytes."""
        return self._metrics.tell()

    def cut_metrics(self, offset: int) -> None:
        """Drop the rows that a checkpoint does not know of.

        Raises
        ------
        CheckpointError: rows that it knows of are missing.
        """
        if self.metrics_offset < offset:
            raise CheckpointError(
                f"{self.path / METRICS}: found {self.metrics_offset} bytes, expected the {offset} "
                "that the checkpoint knows of"
            )
        self._metrics.truncate(offset)
        self._metrics.seek(offset)

    def save(self, number: int, checkpoint: Checkpoint, *, best: bool) -> None:
        """Write a numbered checkpoint, let ``last`` (and ``best``) point to it, and drop old ones.

        ``last`` comes after ``best``: a run killed in between goes on before this checkpoint, and finds it best again.
        """
        folder = self.path / CHECKPOINTS
        name = f"{number:010d}{SUFFIX}"
        try:
            save(folder / name, checkpoint)
            for link in (BEST, LAST) if best else (LAST,):
                temporary = folder / f".{link}.tmp"
                temporary.unlink(missing_ok=True)
                temporary.symlink_to(name)
                temporary.replace(folder / f"{link}{SUFFIX}")
            sync_folder(folder)
            self._drop_old(folder, name)
        except OSError as error:
            raise EnvironmentFailure(f"{folder}: cannot write: {error.strerror or error}") from error

    def _drop_old(self, folder: Path, newest: str) -> None:
        """Keep so many checkpoints, up to the newest: later ones were given up when the run fell back."""
        links = (folder / f"{name}{SUFFIX}" for name in (LAST, BEST))
        linked = {os.readlink(link) for link in links if link.is_symlink()}
        kept = [path for path in _numbered(folder) if path.name <= newest][-self._keep :]
        for path in _numbered(folder):
            if path not in kept and path.name not in linked:
                path.unlink()

    def _take_lock(self, file: TextIO) -> None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            holder = file.read().strip() or "another process"
            raise EnvironmentFailure(f"{self.path}: in use by {holder}") from error
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
        file.flush()

    def _clear(self) -> None:
        """Remove what an earlier run wrote here, and nothing else."""
        for path in (self.path / CHECKPOINTS).glob(f"*{SUFFIX}"):
            if path.stem.isdigit() or path.is_symlink():
                path.unlink()
        for name in (METRICS, LOG, CONFIG):
            (self.path / name).unlink(missing_ok=True)


def _close(file: IO[Any]) -> None:
    """Close a file; what it could not take was reported when it was written."""
    with suppress(OSError):
        file.close()


def _numbered(folder: Path) -> list[Path]:
    """Checkpoints by age, the oldest first."""
    return sorted(path for path in folder.glob(f"*{SUFFIX}") if path.stem.isdigit())


def has_checkpoint(path: Path) -> bool:
    return any((path / CHECKPOINTS).glob(f"*{SUFFIX}"))


def find_checkpoint(run: Path, which: str | None = None) -> Path:
    """The checkpoint file meant by a run directory or file and ``last``, ``best`` or a path (None: best, else last).

    Raises
    ------
    CheckpointError: there is none.
    """
    if run.is_file():
        return run
    folder = run / CHECKPOINTS
    wanted = [which] if which else [BEST, LAST]
    for name in wanted:
        path = folder / f"{name}{SUFFIX}" if name in (BEST, LAST) else Path(name)
        if path.is_file():
            return path
    raise CheckpointError(
        f"{run}: found no {' or '.join(wanted)} checkpoint; expected a run directory or a checkpoint file"
    )


def load_latest(run: Path) -> tuple[Path, Checkpoint, list[str]]:
    """The newest checkpoint that is whole, and a message for each newer one that is damaged.

    Raises
    ------
    CheckpointError: none is whole.
    """
    folder = run / CHECKPOINTS
    numbered = _numbered(folder)
    last = folder / f"{LAST}{SUFFIX}"
    if last.is_symlink():
        target = folder / os.readlink(last)
        numbered = [*(path for path in numbered if path < target), target]
    messages: list[str] = []
    for path in reversed(numbered):
        try:
            return path, load(path), messages
        except CheckpointError as error:
            messages.append(f"{error}; trying an older checkpoint")
    raise CheckpointError("\n".join(messages) or f"{run}: there is no checkpoint")


def read_rows(run: Path) -> list[dict[str, Any]]:
    """The rows of metrics.jsonl."""
    path = run / METRICS
    try:
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise CheckpointError(f"{path}: cannot read the metrics: {reason}") from error
