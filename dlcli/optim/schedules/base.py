"""The idea of a schedule: a factor on a hyperparameter's base value, as a function of time alone."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal

from dlcli.options import Family


@dataclass(frozen=True)
class Clock:
    """Where a stage stands: steps and epochs completed, out of how many, and the metrics of past epochs.

    ``history`` holds one mapping per finished epoch (see `dlcli.training.metrics`), so that `plateau` too is a
    function of what a checkpoint keeps.
    """

    step: int
    steps_per_epoch: int
    epochs: int
    history: tuple[dict[str, float], ...] = ()

    @property
    def epoch(self) -> int:
        """Whole epochs completed."""
        return self.step // self.steps_per_epoch

    @property
    def steps(self) -> int:
        """Steps of the whole stage."""
        return self.epochs * self.steps_per_epoch


class Schedule(Family):
    """How a hyperparameter changes with time."""

    package: ClassVar[str] = "dlcli.optim.schedules"

    unit: Literal["step", "epoch"] = "step"
    """What the schedule counts: steps (mini-batches) or whole epochs."""

    @abstractmethod
    def factor(self, clock: Clock) -> float:
        """What the base value is multiplied by in the step that ``clock`` stands before."""

    def time(self, clock: Clock) -> int:
        """Steps or epochs completed, as `unit` says."""
        return clock.step if self.unit == "step" else clock.epoch
