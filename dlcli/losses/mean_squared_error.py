"""Squared error."""

from typing import Literal

import numpy as np

from dlcli.kernels import losses as kernels
from dlcli.layers.base import Array
from dlcli.losses.base import Loss, rows, rows_or_none


class MeanSquaredError(Loss):
    """C = ½ Σ_j (x_j − d_j)²: for numbers, and for classes as one-hot rows.

    The mean is over samples, the sum over units, and ½ makes the gradient x − d: Caffe's ``EuclideanLoss``.
    Keras and PyTorch take the mean over units too, without ½: their value is 2 / units times this one.
    """

    type: Literal["mean_squared_error"] = "mean_squared_error"

    def evaluate(self, outputs: Array, targets: Array, per_sample: Array, gradient: Array | None = None) -> None:
        kernels.mean_squared_error(rows(outputs), rows(targets), per_sample, rows_or_none(gradient))

    def probabilities(self, outputs: Array) -> Array:
        """The distribution nearest to the outputs in squared error."""
        return nearest_distribution(outputs)


def nearest_distribution(outputs: Array) -> Array:
    """(N, classes) float64: p_j = max(x_j − τ, 0) with Σ_j p_j = 1, the nearest to each row of outputs (N, …).

    Least squares on one-hot rows estimates probabilities, but may leave the simplex. Duchi et al., "Efficient
    projections onto the ℓ1-ball for learning in high dimensions" (2008), fig. 1.
    """
    x = rows(outputs).astype(np.float64)
    x -= x.max(axis=1, keepdims=True)
    falling = -np.sort(-x, axis=1)
    thresholds = (np.cumsum(falling, axis=1) - 1.0) / np.arange(1, x.shape[1] + 1)
    above = np.count_nonzero(falling > thresholds, axis=1)  # none only where the outputs are NaN
    threshold = np.take_along_axis(thresholds, np.maximum(above, 1)[:, None] - 1, axis=1)
    p: Array = np.maximum(x - threshold, 0.0)
    return p
