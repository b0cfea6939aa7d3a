"""The idea of a loss: options that compare outputs with targets.

Every loss is a sum over units and a mean over the samples of the mini-batch. The methods give the loss of each
sample, so that means over a data set do not depend on how it was cut into batches.
"""

from abc import abstractmethod
from math import prod
from typing import ClassVar

import numpy as np

from dlcli.layers.base import Array, Shape, Task
from dlcli.options import Family, Positive

UNWANTED = np.empty((0, 0))  # what the kernels take for a gradient that is not wanted


class Loss(Family):
    """What training makes small."""

    package: ClassVar[str] = "dlcli.losses"

    input: str | None = None
    """Name of the layer or block whose output is compared with the targets; by default the last one."""
    weight: Positive = 1.0
    """Factor on the loss in the sum that training makes small."""

    @abstractmethod
    def evaluate(self, outputs: Array, targets: Array, per_sample: Array, gradient: Array | None = None) -> None:
        """Write each sample's loss and, if wanted, the gradient of the batch's mean loss.

        Parameters
        ----------
        outputs: (N, …) the network's output.
        targets: (N,) int64 class indices, which stand for one-hot rows, or an array like ``outputs``.
        per_sample: (N,) float64, written: the loss of each sample, summed over its units.
        gradient: like ``outputs``, contiguous, written: d(mean over the N samples of the loss) / d(outputs).
        """

    @abstractmethod
    def probabilities(self, outputs: Array) -> Array:
        """(N, classes) float64 probabilities that a classification's outputs stand for; each row sums to 1."""

    def check(self, output_shape: Shape, task: Task, targets: int) -> None:
        """Raise ValueError with what was found and expected where outputs and targets don't fit.

        Parameters
        ----------
        output_shape: shape of the network's output for one sample.
        task: whether targets are classes or numbers.
        targets: how many classes there are, or how many numbers the target of one sample holds.
        """
        found = prod(output_shape)
        each = {targets: f"{targets}, one per target value"}
        expected = self.output_counts(targets) if task == "classification" else each
        if found not in expected:
            raise ValueError(f"found {outputs_in_words(found)}, expected {', or '.join(expected.values())}")

    def output_counts(self, classes: int) -> dict[int, str]:
        """How many outputs a network may have for so many classes, each number with its words for a message."""
        return {classes: f"{classes}, one per class"}

    def counted(self, targets: Array) -> Array | None:
        """(N,) bool: which samples of these classes an error counts; None: all of them."""
        return None

    def check_targets(self, targets: Array) -> None:
        """Raise ValueError with what was found and expected where the loss is not made for such targets.

        ``targets`` are as in `evaluate`, and may be those of a whole data set.
        """


def outputs_in_words(count: int) -> str:
    """``1 output``, ``3 outputs``."""
    return f"{count} output{'' if count == 1 else 's'}"


def rows(array: Array) -> Array:
    """(N, …) as (N, units); class indices (N,) stay as they are."""
    return array if array.ndim <= 2 else array.reshape(len(array), -1)


def rows_or_none(gradient: Array | None) -> Array:
    """The same for a gradient."""
    return UNWANTED if gradient is None else rows(gradient)
