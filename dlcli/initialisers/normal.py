"""The normal distribution."""

from typing import ClassVar, Literal

import numpy as np

from dlcli.initialisers.base import Array, Initialiser
from dlcli.initialisers.distributions import Scale, Value, fill


class Normal(Initialiser):
    """N(mean, deviation²), whatever the fans; Caffe's ``gaussian``."""

    also_called: ClassVar[tuple[str, ...]] = ("gaussian",)

    type: Literal["normal"] = "normal"
    mean: Value = 0.0
    """Mean of the distribution."""
    deviation: Scale = 0.01
    """Standard deviation."""

    def fill(self, array: Array, fan_in: int, fan_out: int, rng: np.random.Generator) -> None:
        fill(array, lambda count: rng.normal(self.mean, self.deviation, count))
