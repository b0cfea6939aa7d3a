"""Caffe's ``fixed`` policy."""

from typing import ClassVar, Literal

from dlcli.optim.schedules.base import Clock, Schedule


class Constant(Schedule):
    """Factor 1; Caffe's ``fixed``."""

    also_called: ClassVar[tuple[str, ...]] = ("fixed",)

    type: Literal["constant"] = "constant"

    def decay(self, clock: Clock) -> float:
        return 1.0
