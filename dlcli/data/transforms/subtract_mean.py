"""Mean 0."""

from collections.abc import Iterable
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from dlcli.data.base import InPlace
from dlcli.layers.base import Array, Shape, ShapeError
from dlcli.options import Listed


class SubtractMean(InPlace):
    """x − mean, with the mean over the training samples, or numbers that are given.

    AlexNet and Caffe subtract a mean image (`per: pixel`), VGG the channels' means (`per: channel`). The mean is that
    of the samples as the transforms before it leave them, so its place among crops and scales matters.
    """

    type: Literal["subtract_mean"] = "subtract_mean"

    per: Literal["pixel", "channel"] = "channel"
    """What has a mean of its own: each number of a sample, or each channel (the last axis)."""
    values: Annotated[tuple[float, ...], Listed, Field(min_length=1)] | None = None
    """Means to subtract instead, one for each channel, in the channels' order and the samples' unit: for colours as
    bytes in the order red, green, blue, VGG's are `[123.68, 116.779, 103.939]`."""

    def output_shape(self, shape: Shape) -> Shape:
        if self.values is not None and len(self.values) != shape[-1]:
            raise ShapeError(f"subtracts {len(self.values)} values, found samples of {shape[-1]} channels")
        return shape

    def statistics(self, shape: Shape) -> dict[str, Shape]:
        if self.values is not None:
            return {}
        return {"mean": shape if self.per == "pixel" else shape[-1:]}

    def fit(self, batches: Iterable[Array]) -> dict[str, Array]:
        """The mean, summed in float64."""
        count, total = 0, np.zeros(1)
        for batch in batches:
            rows = batch if self.per == "pixel" else batch.reshape(-1, batch.shape[-1])
            total = total + rows.sum(axis=0, dtype=np.float64)
            count += len(rows)
        return {"mean": (total / count).astype(np.float32)}

    def apply(self, x: Array, statistics: dict[str, Array], drawn: Array | None = None) -> Array:
        mean = statistics["mean"] if self.values is None else np.array(self.values, x.dtype)
        if mean.ndim == 1 and x.ndim > 2:  # a row of pixels at a time: long loops
            row = np.tile(mean, x.shape[-2])
            x.reshape(-1, row.size)[...] -= row
        else:
            x -= mean
        return x
