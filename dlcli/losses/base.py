"""The idea of a loss: options that compare outputs with targets.

Every loss is a sum over units and a mean over the samples of the mini-batch. The methods give the loss of each
sample, so that means over a data set do not depend on how it was cut into batches.
"""

from abc import abstractmethod
from typing import ClassVar, Literal

from dlcli.layers.base import Array, Shape
from dlcli.options import Family

Task = Literal["classification", "regression"]


class Loss(Family):
    """What training makes small."""

    package: ClassVar[str] = "dlcli.losses"

    @abstractmethod
    def evaluate(self, outputs: Array, targets: Array, per_sample: Array, gradient: Array | None = None) -> None:
        """Write each sample's loss and, if wanted, the gradient of the batch's mean loss.

        Parameters
        ----------
        outputs: (N, …) the network's output.
        targets: (N,) int64 class indices, or an array like ``outputs``.
        per_sample: (N,) float64, written: the loss of each sample, summed over its units.
        gradient: like ``outputs``, written: d(mean over the N samples of the loss) / d(outputs).
        """

    @abstractmethod
    def probabilities(self, outputs: Array) -> Array | None:
        """(N, classes) probabilities that the outputs stand for; None for a regression."""

    def check(self, output_shape: Shape, task: Task, classes: int) -> None:
        """Raise ValueError with what was found and expected where outputs and targets don't fit."""
