"""Glorot and Bengio, "Understanding the difficulty of training deep feedforward networks" (2010), eq. 16."""

import math
from typing import Literal

import numpy as np
import numpy.typing as npt

from dlcli.initialisers.base import Initialiser
from dlcli.initialisers.distributions import Distribution, draw
from dlcli.options import Positive


class Glorot(Initialiser):
    """Variance 2 / (fan_in + fan_out): keeps activations and gradients alike from layer to layer."""

    type: Literal["glorot"] = "glorot"
    distribution: Distribution = "uniform"
    """Shape of the distribution; both forms have the same variance."""
    gain: Positive = 1.0
    """Factor on the standard deviation (4 for sigmoid units, in the tutorials' convention)."""

    def fill(self, array: npt.NDArray[np.floating], fan_in: int, fan_out: int, rng: np.random.Generator) -> None:
        draw(self.distribution, self.gain * math.sqrt(2 / (fan_in + fan_out)), array, rng)
