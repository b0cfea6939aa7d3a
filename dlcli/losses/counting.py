"""What the samples of each class count: for the losses that have classes."""

from typing import Annotated

import numpy as np
from pydantic import Field, field_validator

from dlcli.kernels.batch_loss import ALL_ALIKE, Counting
from dlcli.layers.base import Array, Shape, Task
from dlcli.losses.base import Loss
from dlcli.options import Listed, NonNegative


class CountingLoss(Loss):
    """A loss of classes, which need not all count the same.

    The batch's mean divides by N, the number of its samples, whatever they count: so the mean over a data set does
    not depend on how it is cut into batches. Caffe and PyTorch divide by the sum of the samples' weights instead.
    """

    class_weights: Annotated[tuple[NonNegative, ...], Listed] | None = None
    """A factor on the loss of every sample, one per class; the mean still divides by the number of samples."""
    ignored_label: Annotated[int, Field(ge=0)] | None = None
    """Index of a class whose samples count nothing: loss and gradient are 0, and no error counts them. The mean
    divides by the number of all samples. For the last class, the network may have no output."""

    @field_validator("class_weights")
    @classmethod
    def _something_counts(cls, weights: tuple[float, ...] | None) -> tuple[float, ...] | None:
        if weights is not None and not any(weights):
            raise ValueError("found no weight above 0, expected one: nothing would be learned")
        return weights

    @property
    def counting(self) -> Counting:
        """What the kernels need to know of it."""
        if self.class_weights is None and self.ignored_label is None:
            return ALL_ALIKE
        return Counting(self.class_weights, self.ignored_label)

    def counted(self, targets: Array) -> Array | None:
        return None if self.ignored_label is None or targets.ndim > 1 else np.not_equal(targets, self.ignored_label)

    def check(self, output_shape: Shape, task: Task, targets: int) -> None:
        if task == "classification":
            self._check_classes(targets)
        elif self.counting is not ALL_ALIKE:
            option = "class_weights" if self.class_weights is not None else "ignored_label"
            raise ValueError(f"found numbers as targets, expected classes: {option} is for these alone")
        super().check(output_shape, task, targets)

    def output_counts(self, classes: int) -> dict[int, str]:
        found = super().output_counts(classes)
        if self.ignored_label is not None and self.ignored_label == classes - 1 > 1:
            found[classes - 1] = f"{classes - 1} without the ignored class"
        return found

    def check_targets(self, targets: Array) -> None:
        counted = self.counted(targets)
        if counted is not None and len(counted) and not counted.any():
            raise ValueError(f"found samples of the ignored class {self.ignored_label} alone, expected others too")

    def _check_classes(self, classes: int) -> None:
        if self.class_weights is not None and len(self.class_weights) != classes:
            raise ValueError(f"class_weights: found {len(self.class_weights)}, expected {classes}, one per class")
        if self.ignored_label is not None and self.ignored_label >= classes:
            raise ValueError(f"ignored_label: found {self.ignored_label}, expected a class from 0 to {classes - 1}")


class UnitwiseLoss(CountingLoss):
    """A loss that asks each unit for a yes or no; a single unit may stand for two classes."""

    def output_counts(self, classes: int) -> dict[int, str]:
        both = {1: "1 for both classes"} if classes == 2 else {}
        return both | super().output_counts(classes)


def per_class(x: Array) -> Array:
    """Outputs (N, units) with one for each class: of a single one x, (−x, x)."""
    return np.concatenate([-x, x], axis=1) if x.shape[1] == 1 else x
