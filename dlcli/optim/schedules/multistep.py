"""Caffe's ``multistep`` policy."""

from bisect import bisect_right
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, field_validator

from dlcli.optim.schedules.base import Clock, Schedule, power
from dlcli.options import Count, Listed, Positive


class MultiStep(Schedule):
    """Factor gamma^(number of milestones ≤ t); Caffe's ``multistep``, where `milestones` are ``stepvalue``."""

    type: Literal["multistep"] = "multistep"
    gamma: Positive
    """Factor at each milestone."""
    milestones: Annotated[tuple[Count, ...], Listed, Field(min_length=1)]
    """Steps or epochs after which the factor changes, in rising order."""

    @field_validator("milestones")
    @classmethod
    def _rise(cls, milestones: tuple[int, ...]) -> tuple[int, ...]:
        for earlier, later in pairwise(milestones):
            if later <= earlier:
                raise ValueError(f"found {later} after {earlier}, expected numbers in rising order")
        return milestones

    def decay(self, clock: Clock) -> float:
        return power(self.gamma, bisect_right(self.milestones, self.time(clock)))
