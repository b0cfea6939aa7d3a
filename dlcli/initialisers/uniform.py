"""The uniform distribution."""

from typing import Literal, Self

import numpy as np
from pydantic import model_validator

from dlcli.initialisers.base import Array, Initialiser
from dlcli.initialisers.distributions import Value, fill


class Uniform(Initialiser):
    """Equally likely everywhere between two numbers, whatever the fans."""

    type: Literal["uniform"] = "uniform"
    low: Value = -0.05
    """Lower end."""
    high: Value = 0.05
    """Upper end."""

    @model_validator(mode="after")
    def _low_is_below_high(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"found low {self.low:g} and high {self.high:g}, expected low to be below high")
        return self

    def fill(self, array: Array, fan_in: int, fan_out: int, rng: np.random.Generator) -> None:
        fill(array, lambda count: rng.uniform(self.low, self.high, count))
