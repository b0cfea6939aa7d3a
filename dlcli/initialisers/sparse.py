"""Martens, "Deep learning via Hessian-free optimization" (2010), section 5."""

from typing import Literal

import numpy as np

from dlcli.initialisers.base import Array, Initialiser
from dlcli.initialisers.distributions import Distribution, Scale, draw
from dlcli.options import Count


class Sparse(Initialiser):
    """Every unit starts with `connections` non-zero incoming weights, at random places, and the rest at 0.

    Units then start unlike one another, and the sum at a unit does not grow with its fan-in. A unit with
    fewer inputs has all of them connected.
    """

    type: Literal["sparse"] = "sparse"
    connections: Count = 15
    """Non-zero incoming weights of each unit."""
    distribution: Distribution = "normal"
    """Shape of the distribution of those weights; both forms have the same variance."""
    deviation: Scale = 1.0
    """Standard deviation of those weights."""

    def fill(self, array: Array, fan_in: int, fan_out: int, rng: np.random.Generator) -> None:
        weights = np.zeros(array.shape).reshape(-1, array.shape[-1])
        inputs, units = weights.shape
        count = min(self.connections, inputs)
        places = np.stack([rng.choice(inputs, count, replace=False) for _ in range(units)], axis=1)
        values = np.empty(places.shape)
        draw(self.distribution, self.deviation, values, rng)
        np.put_along_axis(weights, places, values, axis=0)
        array[...] = weights.reshape(array.shape)
