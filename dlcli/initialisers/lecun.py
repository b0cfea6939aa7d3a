"""LeCun, Bottou, Orr and Müller, "Efficient BackProp" (1998), eq. 16."""

import math
from typing import Literal

import numpy as np

from dlcli.initialisers.base import Array, Initialiser
from dlcli.initialisers.distributions import Distribution, Scale, draw


class LeCun(Initialiser):
    """Variance 1 / fan_in: a unit's sum has the variance of its inputs; if uniform, Caffe's ``xavier``."""

    type: Literal["lecun"] = "lecun"
    distribution: Distribution = "uniform"
    """Shape of the distribution; both forms have the same variance."""
    gain: Scale = 1.0
    """Factor on the standard deviation."""

    def fill(self, array: Array, fan_in: int, fan_out: int, rng: np.random.Generator) -> None:
        draw(self.distribution, self.gain * math.sqrt(1 / fan_in), array, rng)
