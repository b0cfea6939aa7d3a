"""A run's memory: what a checkpoint holds, how it is written, and how a run takes up from one."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

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
    """

    def __init__(
        self,
        directory: RunDirectory,
        parameters: Mapping[str, Array],
        constants: Mapping[str, Array],
        record: Mapping[str, Any],
    ) -> None:
        self.directory = directory
        self.progress = Progress()
        self._parameters, self._constants, self._record = parameters, constants, record
        self._objective: Objective | None = None
        self._restored: tuple[Path, Checkpoint] | None = None

    def begin(self, stage: str, objective: Objective) -> None:
        """Begin a stage, or take it up where the restored checkpoint left it."""
        self._objective = objective
        if self._restored is not None and self.progress.stage == stage:
            path, checkpoint = self._restored
            for name, array in objective.tensors().items():
                checkpoint.take(name, array, path)
        else:
            self.progress.begin(stage)
        self._restored = None

    def write_row(self, row: Row) -> None:
        self.directory.write_row(row)

    def save(self, *, best: bool = False) -> None:
        """Write a checkpoint of everything, as it is now."""
        own = self._objective.tensors() if self._objective else {}
        record = {
            **self._record,
            "dlcli": dlcli.__version__,
            "progress": self.progress.record(),
            "metrics_offset": self.directory.metrics_offset,
        }
        checkpoint = Checkpoint({**self._constants, **self._parameters, **own}, record)
        self.directory.save(self.progress.total_steps, checkpoint, best=best)

    def restore(self, path: Path, checkpoint: Checkpoint) -> None:
        """Go on from a checkpoint of this run; rows that it does not know of are dropped."""
        self._take_parameters(path, checkpoint)
        self.progress = Progress.of(checkpoint.record["progress"])
        self.directory.cut_metrics(int(checkpoint.record["metrics_offset"]))
        self._restored = (path, checkpoint)

    def start_from(self, path: Path, checkpoint: Checkpoint) -> None:
        """Begin with another run's parameters; the pretraining stages that it finished count as finished."""
        self._take_parameters(path, checkpoint)
        before = Progress.of(checkpoint.record["progress"])
        self.progress.finished = [stage for stage in before.finished if stage.startswith("pretrain/")]

    def _take_parameters(self, path: Path, checkpoint: Checkpoint) -> None:
        for name, array in self._parameters.items():
            checkpoint.take(name, array, path)
        if "progress" not in checkpoint.record:
            raise CheckpointError(f"{path}: its record does not say where training stands")
