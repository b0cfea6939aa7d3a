"""Caffe's ``exp`` policy."""

from typing import ClassVar, Literal

from dlcli.optim.schedules.base import Clock, Schedule, power
from dlcli.options import Positive


class Exponential(Schedule):
    """Factor gamma^t; Caffe's ``exp``."""

    also_called: ClassVar[tuple[str, ...]] = ("exp",)

    type: Literal["exponential"] = "exponential"
    gamma: Positive
    """Factor from one step or epoch to the next."""

    def decay(self, clock: Clock) -> float:
        return power(self.gamma, self.time(clock))
