"""The hinge loss: margins instead of probabilities."""

from typing import Literal

import numpy as np

from dlcli.kernels import losses as kernels
from dlcli.layers.base import Array
from dlcli.losses.base import rows, rows_or_none
from dlcli.losses.counting import UnitwiseLoss, per_class


class Hinge(UnitwiseLoss):
    """C = Σ_j max(0, 1 − δ_j x_j)^p, δ_j being 1 for the sample's class and −1 for the others: one against all.

    Each output is a support vector machine of its own for one class against the rest, as in Caffe's ``HingeLoss``;
    Crammer's and Singer's form, which compares the class's output with the largest other one, is not meant.
    A single output, for two classes, is that of class 1. Where the targets are several labels at once, each 0 or 1,
    δ_j = 2 d_j − 1. At the hinge itself the gradient is 0.
    """

    type: Literal["hinge"] = "hinge"
    norm: Literal["l1", "l2"] = "l1"
    """The power p: `l1` is the hinge (1), `l2` its square (2), which has no ½, so that its gradient is
    −2 δ_j max(0, 1 − δ_j x_j)."""

    def evaluate(self, outputs: Array, targets: Array, per_sample: Array, gradient: Array | None = None) -> None:
        power = 2.0 if self.norm == "l2" else 1.0
        kernels.hinge(rows(outputs), rows(targets), per_sample, rows_or_none(gradient), power, self.counting)

    def probabilities(self, outputs: Array) -> Array:
        """Softmax of the outputs; of a single one x, of (−x, x).

        Margins stand for no probabilities: this keeps their order, and a margin of 1 on either side of a single
        output comes to e² : 1, but nothing calibrates it.
        """
        x = per_class(rows(outputs))
        p = np.empty(x.shape)
        kernels.softmax(x, p)
        return p

    def check_targets(self, targets: Array) -> None:
        super().check_targets(targets)
        if targets.ndim == 1:
            return
        others = targets[(targets != 0) & (targets != 1)]
        if others.size:
            raise ValueError(f"found the target {others[0]:g}, expected 0 or 1")
