"""Zeros around images."""

from typing import Literal

from dlcli.layers.base import Shape
from dlcli.layers.geometry import Sides
from dlcli.layers.shifted import Shifted


class Pad2d(Shifted):
    """x (N, H, W, C) with rows and columns of zeros around it: y (N, top + H + bottom, left + W + right, C)."""

    type: Literal["pad2d"] = "pad2d"
    also_called = ("zero_pad2d", "zero_padding2d")
    padding: Sides
    """How many rows and columns of zeros: one number for all sides, [height, width] for each of two sides, or
    [top, bottom, left, right]."""

    def frame(self, shape: Shape) -> tuple[int, int, int, int]:
        top, bottom, left, right = self.padding
        return top + shape[0] + bottom, left + shape[1] + right, top, left
