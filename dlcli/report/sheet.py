"""What a sheet of images shows: their order, and what its grey levels mean."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dlcli.report.png import Legend, png
from dlcli.report.tiles import bounds, enlargement, tiles

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Sheet:
    """Images to draw.

    title: the legend's text. images: (N, H, W, C). columns: tiles in a row. groups: (N,) integers; images with the same
    one share their contrast, and all have that of 0 to 1 where that holds their values. None: each has its own.
    together: what a group is called.
    """

    title: str
    images: Array
    columns: int
    groups: Array | None = None
    together: str = "tile"

    def draw(self) -> bytes:
        """The sheet as a PNG file."""
        limits, scale = self.contrast()
        factor = enlargement(*self.images.shape[1:3])
        return png(tiles(self.images, self.columns, limits, factor), Legend([self.title], scale))

    def contrast(self) -> tuple[Array, str]:
        """The values that become black and white, (N, 2) or (2,), and that in words."""
        low, high = bounds(self.images)
        if self.groups is not None:
            if low.min() >= 0 and high.max() <= 1:
                return np.array([0.0, 1.0]), "0 to 1"
            empty = np.isnan(self.images).reshape(len(low), -1).all(axis=1)
            for group in np.unique(self.groups):
                own = (self.groups == group) & ~empty
                low[own], high[own] = low[own].min(initial=np.inf), high[own].max(initial=-np.inf)
        whole = f"over all: {_number(low.min())} to {_number(high.max())}"
        return np.stack([low, high], axis=1), f"each {self.together} from its least to its greatest value; {whole}"


def pairs(upper: Array, lower: Array, columns: int) -> tuple[Array, Array]:
    """Rows of images with, below each, the row of those that belong to them, as `tiles` orders them; and their groups.

    Both are (N, …); the last two rows end with empty places.
    """
    count = len(upper)
    bands = -(-count // columns)
    padded = np.full((2, bands * columns, *upper.shape[1:]), np.nan)
    padded[0, :count], padded[1, :count] = upper, lower
    images = padded.reshape(2, bands, columns, *upper.shape[1:]).swapaxes(0, 1).reshape(-1, *upper.shape[1:])
    indices = np.arange(bands * columns).reshape(bands, 1, columns)
    return images, np.broadcast_to(indices, (bands, 2, columns)).reshape(-1)


def _number(value: float) -> str:
    return f"{value:.3g}"
