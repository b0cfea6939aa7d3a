"""Caffe's ``poly`` policy."""

from typing import ClassVar, Literal

from dlcli.optim.schedules.base import Clock, Schedule
from dlcli.options import Count, NonNegative


class Polynomial(Schedule):
    """Factor end + (1 − end) · (1 − t / T)^power until t = T, then end; Caffe's ``poly`` (there, end is 0).

    T is `duration`, or all the steps or epochs of the stage.
    """

    also_called: ClassVar[tuple[str, ...]] = ("poly",)

    type: Literal["polynomial"] = "polynomial"
    power: NonNegative = 1.0
    """Exponent of the decay; 1 is a straight line."""
    end: NonNegative = 0.0
    """Factor at the end of the decay and after it."""
    duration: Count | None = None
    """Steps or epochs that the decay takes; by default the whole stage."""

    def depends_on_length(self) -> bool:
        return self.duration is None

    def decay(self, clock: Clock) -> float:
        duration = self.duration or (clock.steps if self.unit == "step" else clock.epochs)
        time = self.time(clock)
        if time >= duration:
            return self.end
        return float(self.end + (1.0 - self.end) * (1.0 - time / duration) ** self.power)
