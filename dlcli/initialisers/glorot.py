"""Glorot and Bengio, "Understanding the difficulty of training deep feedforward networks" (2010), eq. 16."""

import math
from typing import Literal

import numpy as np

from dlcli.initialisers.base import Array, Initialiser
from dlcli.initialisers.distributions import Distribution, Scale, draw


class Glorot(Initialiser):
    """Variance 2 / (fan_in + fan_out): keeps activations and gradients alike from layer to layer.

    Not called xavier here: PyTorch's xavier is this one, but Caffe's ``xavier`` divides by the fan-in alone,
    which is `lecun`.
    """

    type: Literal["glorot"] = "glorot"
    distribution: Distribution = "uniform"
    """Shape of the distribution; both forms have the same variance."""
    gain: Scale = 1.0
    """Factor on the standard deviation (4 for sigmoid units, in the tutorials' convention)."""

    def fill(self, array: Array, fan_in: int, fan_out: int, rng: np.random.Generator) -> None:
        draw(self.distribution, self.gain * math.sqrt(2 / (fan_in + fan_out)), array, rng)
