"""A part of images."""

from typing import Literal

from dlcli.layers.base import Shape, ShapeError
from dlcli.layers.geometry import Sides
from dlcli.layers.shifted import Shifted
from dlcli.options import Pair


class Crop2d(Shifted):
    """x (N, H, W, C) without some rows and columns at its sides: y (N, OH, OW, C).

    First `cropping` is taken away, then, with a `size`, all but the middle of what is left; an odd row or column more
    is taken from the end.
    """

    type: Literal["crop2d"] = "crop2d"
    also_called = ("cropping2d",)
    cropping: Sides = (0, 0, 0, 0)
    """How many rows and columns are taken away: one number for all sides, [height, width] for each of two sides, or
    [top, bottom, left, right]."""
    size: Pair | None = None
    """Height and width of the output, around the middle; by default all that `cropping` leaves."""

    def frame(self, shape: Shape) -> tuple[int, int, int, int]:
        top, bottom, left, right = self.cropping
        height, width = shape[0] - top - bottom, shape[1] - left - right
        out_height, out_width = self.size or (height, width)
        if min(height, width) < 1:
            raise ShapeError(f"cropping {list(self.cropping)} leaves nothing of {shape[0]} × {shape[1]}")
        if out_height > height or out_width > width:
            raise ShapeError(f"a crop of {out_height} × {out_width} does not fit in {height} × {width}")
        return out_height, out_width, -top - (height - out_height) // 2, -left - (width - out_width) // 2
