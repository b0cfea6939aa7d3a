"""The run's log: what is told to the user is kept in log.txt too."""

from dlcli.training.loop import Reporter
from dlcli.training.progress import Row
from dlcli.training.run_directory import RunDirectory


class Logged:
    """A reporter that passes everything on, and writes stages, epochs and messages to the run's log."""

    def __init__(self, reporter: Reporter, directory: RunDirectory) -> None:
        self._reporter, self._directory = reporter, directory

    def stage(self, name: str, epochs: int, steps_per_epoch: int, samples: int) -> None:
        self._directory.log(f"{name}: {epochs} epochs of {steps_per_epoch} steps, {samples} samples")
        self._reporter.stage(name, epochs, steps_per_epoch, samples)

    def step(self, loss: float, samples: int) -> None:
        self._reporter.step(loss, samples)

    def epoch(self, metrics: Row) -> None:
        self._directory.log("  ".join(f"{name} {value}" for name, value in metrics.items()))
        self._reporter.epoch(metrics)

    def message(self, text: str) -> None:
        self._directory.log(text)
        self._reporter.message(text)

    def close(self) -> None:
        self._reporter.close()
