"""One value for all."""

from typing import Literal

import numpy as np

from dlcli.initialisers.base import Array, Initialiser
from dlcli.initialisers.distributions import Value


class Constant(Initialiser):
    """Every element starts at the same value."""

    type: Literal["constant"] = "constant"
    value: Value
    """The value."""

    def fill(self, array: Array, fan_in: int, fan_out: int, rng: np.random.Generator) -> None:
        array[...] = self.value
