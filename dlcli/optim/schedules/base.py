"""The idea of a schedule: a factor on a hyperparameter's base value, as a function of time alone."""

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from dlcli.options import Also, Count, Family, NonNegative, Options, Share

Metric = Literal["validation_error", "validation_loss", "train_error", "train_loss"]  # an epoch's; less is better


@dataclass(frozen=True)
class Clock:
    """Where a stage stands: steps and epochs completed, out of how many, and the metrics of past epochs.

    ``history`` holds one mapping per finished epoch, a row of the metrics file, so that `plateau` too is a
    function of what a checkpoint keeps.
    """

    step: int
    steps_per_epoch: int
    epochs: int
    history: tuple[dict[str, Any], ...] = ()

    @property
    def epoch(self) -> int:
        """Whole epochs completed."""
        return self.step // self.steps_per_epoch

    @property
    def steps(self) -> int:
        """Steps of the whole stage."""
        return self.epochs * self.steps_per_epoch


class WarmUp(Options):
    """A rise before the schedule proper: start + (1 − start) · t / duration for t < duration, then 1.

    It rises with every step, also where `duration` counts epochs. Goyal et al., "Accurate, large minibatch SGD"
    (2017), section 2.2.
    """

    duration: Count
    """Length of the rise, in the schedule's `unit`."""
    start: Annotated[Share, Also("from")] = 0.0
    """Share of the base value that the first step takes."""


class Schedule(Family):
    """How a hyperparameter changes with time t, the steps or epochs completed."""

    package: ClassVar[str] = "dlcli.optim.schedules"

    unit: Literal["step", "epoch"] = "step"
    """What the schedule counts: steps (mini-batches) or whole epochs."""
    initial: NonNegative | None = None
    """The base value, where the schedule stands in place of a number
    (`momentum: {type: multistep, initial: 0.5, …}`)."""
    warm_up: WarmUp | None = None
    """A linear rise at the beginning, on top of the schedule, whose own time runs on meanwhile."""

    def factor(self, clock: Clock) -> float:
        """What the base value is multiplied by in the step that ``clock`` stands before."""
        return self._warmth(clock) * self.decay(clock)

    @abstractmethod
    def decay(self, clock: Clock) -> float:
        """The factor without the warm-up."""

    def needs(self) -> Metric | None:
        """The metric that the schedule looks at, if any."""
        return None

    def depends_on_length(self) -> bool:
        """Whether the factor depends on how long the whole stage is."""
        return False

    def time(self, clock: Clock) -> int:
        """Steps or epochs completed, as `unit` says."""
        return clock.step if self.unit == "step" else clock.epoch

    def _warmth(self, clock: Clock) -> float:
        if self.warm_up is None:
            return 1.0
        steps = self.warm_up.duration * (1 if self.unit == "step" else clock.steps_per_epoch)
        if clock.step >= steps:
            return 1.0
        return self.warm_up.start + (1.0 - self.warm_up.start) * clock.step / steps


def power(base: float, exponent: float) -> float:
    """base^exponent; infinity where that overflows, so that a rate that explodes is met as divergence."""
    try:
        return float(base**exponent)
    except OverflowError:
        return math.inf
