"""The loop: epochs of mini-batches over one objective, with metrics, checkpoints and requests to stop.

Every stage of every method runs here. What happens next is a function of `Progress` and the objective's tensors,
which is what a checkpoint keeps; so a run that was stopped goes on as if it had not been.
"""

import math
import time
from typing import Protocol

import numpy as np

from dlcli.data.pipeline import Epoch, order
from dlcli.errors import Diverged
from dlcli.training.objective import LARGEST, bounded
from dlcli.training.options import Interval
from dlcli.training.progress import Progress, Row, stops_early
from dlcli.training.signals import Requests, Stopped
from dlcli.training.stage import Stage


class Reporter(Protocol):
    """Where progress is shown."""

    def stage(self, name: str, epochs: int, steps_per_epoch: int, samples: int) -> None: ...
    def step(self, loss: float, samples: int) -> None: ...
    def epoch(self, metrics: Row) -> None: ...
    def message(self, text: str) -> None: ...
    def close(self) -> None: ...


class Keeper(Protocol):
    """Where rows and checkpoints go: the run directory."""

    def write_row(self, row: Row) -> None: ...
    def save(self, *, best: bool = False) -> None: ...


class Loop:
    """Runs one stage to its end, or to a request to stop.

    Raises
    ------
    Stopped: TERM or INT arrived; a checkpoint has been written.
    Diverged: a loss, a metric or a parameter is no longer finite; none has been written.
    """

    def __init__(
        self, stage: Stage, progress: Progress, keeper: Keeper, reporter: Reporter, requests: Requests, every: Interval
    ) -> None:
        self._stage, self._progress, self._keeper = stage, progress, keeper
        self._reporter, self._requests, self._every = reporter, requests, every
        self._epoch_began, self._samples_timed = time.monotonic(), 0

    def run(self) -> None:
        """Train until done, and write a checkpoint."""
        stage, progress = self._stage, self._progress
        self._reporter.stage(stage.name, stage.epochs, stage.steps_per_epoch, len(stage.train))
        while len(progress.history) < stage.epochs and not stops_early(stage.stop_early, progress.history):
            self._epoch()
        progress.finish()
        self._save()
        self._obey()

    def _epoch(self) -> None:
        """Finish the epoch under way: what is left of its steps, then its row."""
        stage, progress = self._stage, self._progress
        epoch = len(progress.history)
        self._epoch_began, self._samples_timed = time.monotonic(), 0
        sequence = order(stage.seed, stage.name, epoch, len(stage.train), stage.shuffle)
        done = progress.step - epoch * stage.steps_per_epoch
        rest = sequence[done * stage.batch_size :]
        now = Epoch(stage.seed, epoch)
        for batch in stage.train.iterate(stage.batch_size, rest, epoch=now, room=stage.objective.room):
            self._obey()
            result = stage.objective.step(batch, progress.clock(stage.steps_per_epoch, stage.epochs))
            progress.step += 1
            if not math.isfinite(result.loss):
                self._diverged(f"its loss is {result.loss}")
            progress.loss += result.loss
            for name, part in result.parts.items():
                progress.parts[name] = progress.parts.get(name, 0.0) + part
            progress.samples += len(batch.x)
            progress.learning_rate = stage.objective.learning_rate
            if result.wrong is not None:
                progress.wrong = (progress.wrong or 0) + result.wrong
                progress.counted += len(batch.x) if result.counted is None else result.counted
            self._samples_timed += len(batch.x)
            self._reporter.step(result.loss / len(batch.x), len(batch.x))
            if self._every.steps and progress.step % self._every.steps == 0:
                self._save()
        self._obey()
        self._finish_epoch()

    def _finish_epoch(self) -> None:
        stage, progress = self._stage, self._progress
        row: Row = {
            "stage": stage.name,
            "epoch": len(progress.history) + 1,
            "step": progress.step,
            "learning_rate": progress.learning_rate,
            "train_loss": progress.loss / progress.samples,
        }
        row |= {f"train_loss/{name}": part / progress.samples for name, part in progress.parts.items()}
        if progress.wrong is not None:
            row["train_error"] = progress.wrong / max(progress.counted, 1)
        row |= {f"train_{name}": value for name, value in stage.objective.watch().items()}
        if stage.validation is not None:
            measured = stage.objective.evaluate(stage.validation, stage.batch_size)
            row |= {f"validation_{name}": value for name, value in measured.items()}
        if stage.diagnostics:
            probe = next(stage.train.iterate(stage.batch_size, np.arange(min(stage.batch_size, len(stage.train)))))
            row |= stage.objective.diagnose(probe)
        if not all(math.isfinite(v) for v in row.values() if isinstance(v, float)):
            self._diverged("a metric of the epoch is not finite")
        seconds = time.monotonic() - self._epoch_began
        row |= {"seconds": round(seconds, 3), "samples_per_second": round(self._samples_timed / max(seconds, 1e-9), 1)}
        progress.history.append(row)
        progress.clear_sums()
        self._keeper.write_row(row)
        self._reporter.epoch(row)
        improved = self._improved(row)
        due = self._every.epochs and len(progress.history) % self._every.epochs == 0
        if improved or due:
            self._save(best=improved)

    def _improved(self, row: Row) -> bool:
        if self._stage.best is None:
            return False
        value = row[self._stage.best]
        if self._progress.best is not None and value >= self._progress.best:
            return False
        self._progress.best = value
        return True

    def _obey(self) -> None:
        """Do what signals have asked for."""
        if self._requests.save:
            self._requests.save = False
            self._save()
        if self._requests.stop is not None:
            self._save()
            raise Stopped(f"stopped at step {self._progress.step}; go on with --resume", self._requests.stop)

    def _save(self, *, best: bool = False) -> None:
        for name, tensor in self._stage.objective.tensors().items():
            if not bounded(tensor):
                self._diverged(f"{name} holds values that are not finite, or beyond {LARGEST:.2g}")
        self._keeper.save(best=best)

    def _diverged(self, what: str) -> None:
        stage, step = self._stage, self._progress.step
        epoch, batch = divmod(max(step, 1) - 1, stage.steps_per_epoch)
        raise Diverged(
            f"diverged in stage {stage.name}, epoch {epoch + 1}, step {step} (batch {batch + 1} of the epoch), "
            f"layer {stage.objective.first_bad_layer()}: {what}. Try a smaller learning_rate."
        )
