"""Caffe's ``step`` policy."""

from typing import Literal

from dlcli.optim.schedules.base import Clock, Schedule, power
from dlcli.options import Count, Positive


class Step(Schedule):
    """Factor gamma^⌊t / every⌋; Caffe's ``step``, where `every` is ``stepsize``."""

    type: Literal["step"] = "step"
    gamma: Positive
    """Factor at each change."""
    every: Count
    """Steps or epochs from one change to the next."""

    def decay(self, clock: Clock) -> float:
        return power(self.gamma, self.time(clock) // self.every)
