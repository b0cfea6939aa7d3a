"""Huber's loss: squared error that outliers do not dominate."""

from typing import Literal

from dlcli.kernels import losses as kernels
from dlcli.layers.base import Array
from dlcli.losses.base import Loss, rows, rows_or_none
from dlcli.losses.mean_squared_error import nearest_distribution
from dlcli.options import Positive


class Huber(Loss):
    """C = Σ_j c(x_j − d_j), c(r) = ½ r² where |r| ≤ δ, else δ (|r| − ½ δ): for numbers, and classes as one-hot rows.

    Huber, "Robust estimation of a location parameter" (1964). The gradient is the residue, cut off at ±δ. The sum is
    over units; Keras and PyTorch take their mean. PyTorch's ``SmoothL1Loss`` is this one divided by δ.
    """

    type: Literal["huber"] = "huber"
    delta: Positive = 1.0
    """δ, the residue from which on the loss grows linearly."""

    def evaluate(self, outputs: Array, targets: Array, per_sample: Array, gradient: Array | None = None) -> None:
        kernels.huber(rows(outputs), rows(targets), per_sample, rows_or_none(gradient), self.delta)

    def probabilities(self, outputs: Array) -> Array:
        """The distribution nearest to the outputs in squared error, as `mean_squared_error` has it."""
        return nearest_distribution(outputs)
