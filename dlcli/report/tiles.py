"""Many small images as one: tiles in rows, each with a thin frame."""

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

FRAME, PAPER = 96, 255  # grey levels: of the lines between tiles, and of places without one
MIDDLE = 128  # of an image without contrast
WIDEST = 56  # pixels to which small images are enlarged, by whole factors


def tiles(images: Array, columns: int, limits: Array | None = None, factor: int = 1) -> npt.NDArray[np.uint8]:
    """Images side by side, from left to right and from the top down.

    Parameters
    ----------
    images: (N, H, W) or (N, H, W, C) numbers, C being 1 (grey) or 3 (red, green, blue); one of NaN alone leaves its
        place empty.
    columns: tiles in a row.
    limits: (2,), or (N, 2) for each image: the values that become black and white, those beyond being cut off. None:
        each image's least and greatest value, so that each has the whole contrast.
    factor: pixels, across and down, that a value becomes.

    Returns
    -------
    (height, width) uint8, or (height, width, 3) for colours. A frame of one pixel is around every tile, and one
    between neighbours.
    """
    images = images[..., 0] if images.ndim == 4 and images.shape[3] == 1 else images
    shown = levels(images, limits).repeat(factor, axis=1).repeat(factor, axis=2)
    count, height, width = shown.shape[:3]
    rows = -(-count // columns)
    across, down = min(columns, count) * (width + 1) + 1, rows * (height + 1) + 1
    result = np.full((down, across, *shown.shape[3:]), PAPER, np.uint8)
    for place in np.flatnonzero(~np.isnan(images).reshape(count, -1).all(axis=1)):
        top, left = place // columns * (height + 1), place % columns * (width + 1)
        result[top : top + height + 2, left : left + width + 2] = FRAME
        result[top + 1 : top + height + 1, left + 1 : left + width + 1] = shown[place]
    return result


def levels(images: Array, limits: Array | None = None) -> npt.NDArray[np.uint8]:
    """Values as grey levels from 0 to 255, linearly between the limits (see `tiles`); NaN becomes black."""
    values = np.nan_to_num(images.astype(np.float64), nan=-np.inf, neginf=-np.inf, posinf=np.inf)
    low, high = bounds(images) if limits is None else np.broadcast_to(limits, (len(images), 2)).T
    axes = (slice(None), *(None,) * (images.ndim - 1))
    span = (high - low)[axes]
    flat = np.full(values.shape, MIDDLE / 255)
    share = np.divide(values - low[axes], span, out=flat, where=span > 0)
    grey: npt.NDArray[np.uint8] = np.rint(255 * np.clip(share, 0, 1)).astype(np.uint8)
    return grey


def bounds(images: Array) -> tuple[Array, Array]:
    """(N,) float64 each: the least and the greatest value of each image that is a finite number; 0 without any."""
    flat = images.reshape(len(images), -1).astype(np.float64)
    finite = np.isfinite(flat)
    low = np.where(finite, flat, np.inf).min(axis=1)
    high = np.where(finite, flat, -np.inf).max(axis=1)
    some = finite.any(axis=1)
    return np.where(some, low, 0.0), np.where(some, high, 0.0)


def enlargement(height: int, width: int) -> int:
    """The factor at which images of this size are easily seen."""
    return max(1, WIDEST // max(height, width))
