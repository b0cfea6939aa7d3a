"""The two shapes in which a variance is drawn, and the range of numbers that parameters start in."""

import math
from collections.abc import Callable
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from dlcli.initialisers.base import Array

Distribution = Literal["uniform", "normal"]
Value = Annotated[float, Field(ge=-1e6, le=1e6)]  # far beyond any use, and far from where float32 overflows
Scale = Annotated[float, Field(gt=0, le=1e6)]


PIECE = 1 << 20  # numbers drawn at a time


def draw(shape: Distribution, deviation: float, array: Array, rng: np.random.Generator) -> None:
    """Fill with zero-mean numbers of the given standard deviation (drawn in float64, so float32 agrees)."""
    if shape == "normal":
        fill(array, lambda count: rng.normal(0.0, deviation, count))
    else:
        bound = deviation * math.sqrt(3)
        fill(array, lambda count: rng.uniform(-bound, bound, count))


def fill(array: Array, numbers: Callable[[int], Array]) -> None:
    """Fill an array with the next numbers, some at a time where it is contiguous: float64 ones of all take memory."""
    if not array.flags.c_contiguous:
        array[...] = numbers(array.size).reshape(array.shape)
        return
    flat = array.reshape(-1)
    for start in range(0, flat.size, PIECE):
        part = flat[start : start + PIECE]
        part[...] = numbers(part.size)
