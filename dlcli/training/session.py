"""A run's memory: what a checkpoint holds, how it is written, and how a run takes up from one."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

import dlcli
from dlcli.errors import CheckpointError
from dlcli.layers.base import Array
from dlcli.training.checkpoint import Checkpoint
from dlcli.training.objective import Objective
from dlcli.training.progress import Progress, Row
from dlcli.training.run_directory import RunDirectory

TRANSFORM = "transform/"  # prefix of the transforms' statistics among a checkpoint's tensors


class Session:
    """Progress and arrays of one run, kept in its directory (the loop's `Keeper`).

    Parameters
    ----------
    directory: where rows and checkpoints go.
    parameters: the network's, by name; restored in place.
    constants: arrays that only need keeping: the transforms' statistics.
    record: facts that every checkpoint states: the experiment, classes, fingerprint of the data.
    kept, notes: what stages before this run have left.
    """

    def __init__(
        self,
        directory: RunDirectory,
        parameters: Mapping[str, Array],
        constants: Mapping[str, Array],
        record: Mapping[str, Any],
        kept: Mapping[str, Array] | None = None,
        notes: Mapping[str, Any] | None = None,
    ) -> None:
        self.directory = directory
        self.progress = Progress()
        self._parameters, self._constants, self._record = parameters, constants, record
        self._objective: Objective | None = None
        self._kept, self._notes = dict(kept or {}), dict(notes or {})
        self._restored: tuple[Path, Checkpoint] | None = None

    def begin(self, stage: str, objective: Objective) -> None:
        """Begin a stage, or take it up where the restored checkpoint left it."""
        self._kept, self._notes = self.kept, self.notes
        self._objective = objective
        if self._restored is not None and self.progress.stage == stage:
            path, checkpoint = self._restored
            own = objective.tensors()
            checkpoint.take(own, path)
            if extra := checkpoint.tensors.keys() - {*self._constants, *self._parameters, *self._kept, *own}:
                raise CheckpointError(f"{path}: found tensor {min(extra)!r}, which stage {stage} does not have")
        else:
            self.progress.begin(stage)
        self._restored = None

    @property
    def kept(self) -> dict[str, Array]:
        """What finished stages have left, and the present one would leave (see `Objective.kept`)."""
        return self._kept | (self._objective.kept() if self._objective else {})

    @property
    def notes(self) -> dict[str, Any]:
        """What must be known of it (see `Objective.notes`)."""
        return self._notes | (self._objective.notes() if self._objective else {})

    def write_row(self, row: Row) -> None:
        self.directory.write_row(row)

    def save(self, *, best: bool = False) -> None:
        """Write a checkpoint of everything, as it is now."""
        own, kept = self._objective.tensors() if self._objective else {}, self.kept
        record = {
            **self._record,
            "dlcli": dlcli.__version__,
            "progress": self.progress.record(),
            "metrics_offset": self.directory.metrics_offset,
            "kept": sorted(kept),
            "notes": self.notes,
        }
        checkpoint = Checkpoint({**self._constants, **self._parameters, **kept, **own}, record)
        self.directory.save(self.progress.total_steps, checkpoint, best=best)

    def restore(self, path: Path, checkpoint: Checkpoint) -> None:
        """Go on from a checkpoint of this run; rows that it does not know of are dropped."""
        self.progress = progress_of(path, checkpoint)
        checkpoint.take(self._parameters, path)
        self._kept, self._notes = kept_by(path, checkpoint), notes_of(path, checkpoint)
        self.directory.cut_metrics(int(checkpoint.record["metrics_offset"]))
        self._restored = (path, checkpoint)


def kept_by(path: Path, checkpoint: Checkpoint) -> dict[str, Array]:
    """What finished stages have left in a checkpoint.

    Raises
    ------
    CheckpointError: it lacks what its record names, or that is damaged.
    """
    found = {name: checkpoint.tensors.get(name, np.empty(0, np.float32)) for name in checkpoint.record.get("kept", [])}
    return {name: checkpoint.tensor(name, array.shape, np.float32, path) for name, array in found.items()}


def notes_of(path: Path, checkpoint: Checkpoint) -> dict[str, Any]:
    """What finished stages have said of it.

    Raises
    ------
    CheckpointError: it is no mapping.
    """
    found = checkpoint.record.get("notes", {})
    if not isinstance(found, dict):
        raise CheckpointError(f"{path}: its record holds notes of a kind unknown")
    return found


def progress_of(path: Path, checkpoint: Checkpoint) -> Progress:
    """Where the training stood that wrote a checkpoint.

    Raises
    ------
    CheckpointError: its record does not say.
    """
    try:
        return Progress.of(checkpoint.record["progress"])
    except (KeyError, TypeError) as error:
        raise CheckpointError(f"{path}: its record does not say where training stands") from error
