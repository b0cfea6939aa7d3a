"""Cross-entropy of independent sigmoid units."""

from typing import Literal

import numpy as np

from dlcli.kernels import losses as kernels
from dlcli.layers.base import Array
from dlcli.losses.base import rows, rows_or_none
from dlcli.losses.counting import UnitwiseLoss, per_class


class SigmoidCrossEntropy(UnitwiseLoss):
    """C = −Σ_j [d_j log p_j + (1 − d_j) log(1 − p_j)] with p_j = 1 / (1 + e^{−x_j}), targets d_j in [0, 1].

    The network's outputs x are the logits: its last layer is linear, and the sigmoid is part of the loss.
    For two classes with one output (that of class 1), for classes with an output each, for several labels at
    once, and for the reconstruction of inputs in [0, 1]. Caffe's ``SigmoidCrossEntropyLoss``.
    """

    type: Literal["sigmoid_cross_entropy"] = "sigmoid_cross_entropy"

    def evaluate(self, outputs: Array, targets: Array, per_sample: Array, gradient: Array | None = None) -> None:
        kernels.sigmoid_cross_entropy(
            rows(outputs), rows(targets), per_sample, rows_or_none(gradient), counting=self.counting
        )

    def probabilities(self, outputs: Array) -> Array:
        """σ(x_j) / Σ_k σ(x_k), the units' estimates made to sum to 1; (1 − σ(x), σ(x)) of a single unit.

        Taken as the softmax of log σ(x), which is defined where every σ(x_k) vanishes.
        """
        x = per_class(rows(outputs).astype(np.float64))
        p = np.empty(x.shape)
        kernels.softmax(np.minimum(x, 0.0) - np.log1p(np.exp(-np.abs(x))), p)
        return p

    def check_targets(self, targets: Array) -> None:
        super().check_targets(targets)
        if targets.ndim == 1:
            return
        outside = targets[~((targets >= 0) & (targets <= 1))]
        if outside.size:
            raise ValueError(f"found the target {outside[0]:g}, expected numbers from 0 to 1")
