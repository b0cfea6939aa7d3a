"""Mean 0 and standard deviation 1, as the training samples have them."""

import math
from collections.abc import Iterable
from typing import ClassVar, Literal

import numpy as np

from dlcli.data.base import InPlace
from dlcli.layers.base import Array, Shape


class Standardise(InPlace):
    """(x − mean) / deviation over the training samples; what never varies becomes 0."""

    type: Literal["standardise"] = "standardise"
    also_called: ClassVar[tuple[str, ...]] = ("standardize",)

    per: Literal["feature", "channel", "whole"] = "feature"
    """What has a mean and a deviation of its own: each number of a sample, each channel (the last axis), or
    nothing (one mean for all)."""

    def statistics(self, shape: Shape) -> dict[str, Shape]:
        own = {"feature": shape, "channel": shape[-1:], "whole": (1,)}[self.per]
        return {"mean": own, "deviation": own}

    def fit(self, batches: Iterable[Array]) -> dict[str, Array]:
        """Population mean and deviation, in float64, batch by batch in their order.

        Batches are combined by eq. (2.1) of T. Chan, G. Golub, R. LeVeque, "Updating formulae and a pairwise
        algorithm for computing sample variances" (1979). Sums of equal float32 numbers are exact in float64, so
        the variance of a constant is exactly 0.
        """
        shape: Shape = (1,)
        count, mean, squares = 0, np.zeros(1), np.zeros(1)  # squares: Σ (x − mean)²
        for batch in batches:
            shape = self.statistics(batch.shape[1:])["mean"]
            rows = batch.reshape(-1, math.prod(shape)).astype(np.float64)
            batch_mean = rows.mean(axis=0)
            delta = batch_mean - mean
            total = count + len(rows)
            squares = squares + np.square(rows - batch_mean).sum(axis=0) + delta**2 * (count * len(rows) / total)
            mean = mean + delta * (len(rows) / total)
            count = total
        deviation = np.sqrt(squares / count).astype(np.float32)
        deviation[deviation == 0] = 1
        return {
            "mean": mean.astype(np.float32).reshape(shape),
            "deviation": deviation.reshape(shape),
        }

    def apply(self, x: Array, statistics: dict[str, Array], drawn: Array | None = None) -> Array:
        x -= statistics["mean"]
        x /= statistics["deviation"]
        return x
