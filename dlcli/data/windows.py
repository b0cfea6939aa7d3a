"""Where the pixels of a batch's images come from, while crops, mirrors and scales follow each other."""

from typing import NamedTuple

import numpy as np

from dlcli.layers.base import Array

TOP, LEFT, STEP_Y, STEP_X, MIRRORED = range(5)


class View(NamedTuple):
    """Which crop of an image evaluation looks at: 0 is the top or left edge, 1 the bottom or right one."""

    vertical: float
    horizontal: float
    mirrored: bool = False


CENTRE = View(0.5, 0.5)
CORNERS = tuple(View(vertical, horizontal) for vertical in (0.0, 1.0) for horizontal in (0.0, 1.0))
FIVE = (*CORNERS, CENTRE)
# The crops over which predictions are averaged, by their number; ten as in Krizhevsky et al. (2012), section 4.1.
VIEWS: dict[int, tuple[View, ...]] = {
    1: (CENTRE,),
    5: FIVE,
    10: (*FIVE, *(view._replace(mirrored=True) for view in FIVE)),
}


class Windows:
    """A window into an image for each of n samples.

    Pixel (i, j) of the window shows the point y = top + (i + ½) · step_y, x = left + (j + ½) · step_x of the image,
    whose own pixel (i, j) covers the square from (i, j) to (i + 1, j + 1). A mirrored window counts j from its right
    edge.

    Attributes
    ----------
    table: (n, 5) float64, a row (top, left, step_y, step_x, mirrored) for each sample.
    """

    def __init__(self, samples: int) -> None:
        self.table = np.zeros((samples, 5))
        self.table[:, STEP_Y] = self.table[:, STEP_X] = 1

    def crop(self, top: Array | int, left: Array | int, width: Array | int, cropped_width: int) -> None:
        """Of the windows, ``width`` pixels wide, keep those from row ``top`` and column ``left`` on."""
        table = self.table
        from_left = np.where(table[:, MIRRORED] > 0, width - cropped_width - left, left)
        table[:, TOP] += top * table[:, STEP_Y]
        table[:, LEFT] += from_left * table[:, STEP_X]

    def mirror(self, which: Array | bool) -> None:
        """Turn left and right, of all samples or of those that are True."""
        self.table[:, MIRRORED] = np.not_equal(self.table[:, MIRRORED], which)

    def resize(self, vertical: Array | float, horizontal: Array | float) -> None:
        """Let a pixel be so many times as high, and as wide, as those so far."""
        self.table[:, STEP_Y] *= vertical
        self.table[:, STEP_X] *= horizontal
