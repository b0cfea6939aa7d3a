"""Samples as vectors."""

import math
from typing import Literal

from dlcli.data.base import InPlace
from dlcli.layers.base import Array, Shape


class Flatten(InPlace):
    """Every sample as one vector, the last axis (an image's channels) running fastest."""

    type: Literal["flatten"] = "flatten"

    def output_shape(self, shape: Shape) -> Shape:
        return (math.prod(shape),)

    def apply(self, x: Array, statistics: dict[str, Array], drawn: Array | None = None) -> Array:
        return x.reshape(len(x), -1)
