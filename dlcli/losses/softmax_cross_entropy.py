"""Cross-entropy of softmax outputs, eq. (3) of the survey."""

from typing import Literal

import numpy as np

from dlcli.kernels import losses as kernels
from dlcli.layers.base import Array, Shape, Task
from dlcli.losses.base import rows, rows_or_none
from dlcli.losses.counting import CountingLoss
from dlcli.options import Share


class SoftmaxCrossEntropy(CountingLoss):
    """C = −Σ_j d_j log p_j with p_j = e^{x_j} / Σ_k e^{x_k}: for one of several classes.

    The network's outputs x are the logits: its last layer is linear, and softmax is part of the loss.
    Caffe's ``SoftmaxWithLoss``.
    """

    type: Literal["softmax_cross_entropy"] = "softmax_cross_entropy"
    label_smoothing: Share = 0.0
    """ε: of K classes, (1 − ε) d_j + ε / K stands for d_j, so that no logit is driven to infinity (Szegedy et al.,
    "Rethinking the Inception architecture" (2016), section 7)."""

    def evaluate(self, outputs: Array, targets: Array, per_sample: Array, gradient: Array | None = None) -> None:
        kernels.softmax_cross_entropy(
            rows(outputs), rows(targets), per_sample, rows_or_none(gradient), self.label_smoothing, self.counting
        )

    def probabilities(self, outputs: Array) -> Array:
        """Softmax of the outputs."""
        x = rows(outputs)
        p = np.empty(x.shape)
        kernels.softmax(x, p)
        return p

    def check(self, output_shape: Shape, task: Task, targets: int) -> None:
        if task == "regression":
            raise ValueError("found numbers as targets, expected classes (mean_squared_error takes numbers)")
        super().check(output_shape, task, targets)
