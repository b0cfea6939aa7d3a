"""The two shapes in which a variance is drawn, and the range of numbers that parameters start in."""

import math
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from dlcli.initialisers.base import Array

Distribution = Literal["uniform", "normal"]
Value = Annotated[float, Field(ge=-1e6, le=1e6)]  # far beyond any use, and far from where float32 overflows
Scale = Annotated[float, Field(gt=0, le=1e6)]


def draw(shape: Distribution, deviation: float, array: Array, rng: np.random.Generator) -> None:
    """Fill with zero-mean numbers of the given standard deviation (drawn in float64, so float32 agrees)."""
    if shape == "normal":
        array[...] = rng.normal(0.0, deviation, array.shape)
    else:
        bound = deviation * math.sqrt(3)
        array[...] = rng.uniform(-bound, bound, array.shape)
