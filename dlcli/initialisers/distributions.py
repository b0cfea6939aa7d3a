"""The two shapes in which a variance is drawn."""

import math
from typing import Literal

import numpy as np
import numpy.typing as npt

Distribution = Literal["uniform", "normal"]


def draw(
    shape: Distribution, deviation: float, array: npt.NDArray[np.floating], rng: np.random.Generator
) -> None:
    """Fill with zero-mean numbers of the given standard deviation (drawn in float64, so float32 agrees)."""
    if shape == "normal":
        array[...] = rng.normal(0.0, deviation, array.shape)
    else:
        bound = deviation * math.sqrt(3)
        array[...] = rng.uniform(-bound, bound, array.shape)
