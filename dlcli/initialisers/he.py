"""He et al., "Delving deep into rectifiers" (2015), eq. 10."""

import math
from typing import ClassVar, Literal

import numpy as np

from dlcli.initialisers.base import Array, Initialiser
from dlcli.initialisers.distributions import Distribution, Scale, draw


class He(Initialiser):
    """Variance 2 / fan_in: keeps rectifiers' activations alike from layer to layer; Caffe's ``msra``."""

    also_called: ClassVar[tuple[str, ...]] = ("msra",)

    type: Literal["he"] = "he"
    distribution: Distribution = "normal"
    """Shape of the distribution; both forms have the same variance."""
    gain: Scale = 1.0
    """Factor on the standard deviation."""

    def fill(self, array: Array, fan_in: int, fan_out: int, rng: np.random.Generator) -> None:
        draw(self.distribution, self.gain * math.sqrt(2 / fan_in), array, rng)
