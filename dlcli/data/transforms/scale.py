"""A linear change of all numbers alike."""

from typing import Literal

from dlcli.data.base import InPlace
from dlcli.layers.base import Array


class Scale(InPlace):
    """x · by + offset; `by: 0.00390625` is 1/256, Caffe's choice for MNIST."""

    type: Literal["scale"] = "scale"
    by: float
    """Factor."""
    offset: float = 0.0
    """Added after the multiplication."""

    def apply(self, x: Array, statistics: dict[str, Array], drawn: Array | None = None) -> Array:
        x *= self.by
        if self.offset:
            x += self.offset
        return x
