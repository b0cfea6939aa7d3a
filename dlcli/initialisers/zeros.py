"""Zero for all."""

from typing import Literal

import numpy as np

from dlcli.initialisers.base import Array, Initialiser


class Zeros(Initialiser):
    """Every element starts at 0: for biases, and for weights where there is no symmetry to break."""

    type: Literal["zeros"] = "zeros"

    def fill(self, array: Array, fan_in: int, fan_out: int, rng: np.random.Generator) -> None:
        array[...] = 0
