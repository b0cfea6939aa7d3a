"""Softmax units: groups of which one unit is on."""

from typing import Literal

import numpy as np

from dlcli.kernels import sampling
from dlcli.kernels.launch import Launch
from dlcli.layers.base import Array
from dlcli.options import Annotated, Field
from dlcli.pretrain.units.base import Units


class Softmax(Units):
    """In each group one unit is on, with probability e^x / Σ e^x, x being the total inputs of the group."""

    type: Literal["softmax"] = "softmax"
    size: Annotated[int, Field(ge=2)]
    """Units in a group, neighbours each."""

    def check(self, count: int) -> None:
        if count % self.size:
            raise ValueError(f"found {count} units in groups of {self.size}, expected whole groups")

    def means(self, mean: Array) -> list[Launch]:
        return sampling.softmax.plan(0, 0, self.size, mean, mean, np.empty_like(mean))

    def draw(self, mean: Array, deviation: Array, states: Array, key: int, time: Array) -> list[Launch]:
        return sampling.softmax.plan(key, time, self.size, mean, mean, states)
