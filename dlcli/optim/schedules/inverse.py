"""Caffe's ``inv`` policy."""

from typing import ClassVar, Literal

from dlcli.optim.schedules.base import Clock, Schedule
from dlcli.options import NonNegative


class Inverse(Schedule):
    """Factor (1 + gamma · t)^(−power); Caffe's ``inv``."""

    also_called: ClassVar[tuple[str, ...]] = ("inv",)

    type: Literal["inverse"] = "inverse"
    gamma: NonNegative
    """Speed of the decay, per step or epoch."""
    power: NonNegative
    """Exponent of the decay; 1 gives 1 / (1 + gamma · t)."""

    def decay(self, clock: Clock) -> float:
        return float((1.0 + self.gamma * self.time(clock)) ** -self.power)
