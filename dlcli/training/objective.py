"""The idea of an objective: what a stage makes small, one mini-batch at a time.

The loop knows objectives only. An objective owns its models, their state and whatever it iterates inside a step.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dlcli.data.pipeline import Batch, BatchSource
from dlcli.layers.base import Array
from dlcli.optim.schedules.base import Clock

LARGEST = 2.0**63  # squares of larger numbers are soon infinite in float32; no training comes back from there


@dataclass(frozen=True)
class StepResult:
    """What a step saw: the sum of its samples' losses, and how many were misclassified (None: no classes).

    ``counted``: out of how many, where the loss ignores a class (None: out of all).
    ``parts``: where several losses make up the one, the sum of each, by the layer that it looks at.
    """

    loss: float
    wrong: int | None
    counted: int | None = None
    parts: Mapping[str, float] = field(default_factory=dict)


class Objective(ABC):
    """What a stage makes small."""

    @abstractmethod
    def step(self, batch: Batch, clock: Clock) -> StepResult:
        """Learn from one mini-batch; from one whose loss is not finite nothing, so that its cause can be found."""

    def room(self, samples: int) -> Array | None:
        """Where so many samples may be written for the next `step`, (N, …) or flat, so that it need not copy them.

        They are there until the next step or evaluation.
        """
        return None

    @abstractmethod
    def evaluate(self, source: BatchSource, batch_size: int) -> dict[str, float]:
        """Mean ``loss`` and, for a classification, ``error`` over a data set; changes nothing."""

    @abstractmethod
    def tensors(self) -> dict[str, Array]:
        """The objective's own arrays that a checkpoint keeps and a resumed run restores (in place)."""

    def kept(self) -> dict[str, Array]:
        """Those of the `tensors` that outlive the stage, beside the network's: a mirror's, an RBM's visible biases."""
        return {}

    def notes(self) -> dict[str, Any]:
        """What must be known of the `kept` tensors to use them, by the layer's name: JSON that outlives the stage."""
        return {}

    @property
    @abstractmethod
    def learning_rate(self) -> float:
        """ε of the last step."""

    def watch(self) -> dict[str, float]:
        """What an epoch's row says of the training samples, beside the loss and error of the steps."""
        return {}

    def diagnose(self, batch: Batch) -> dict[str, float]:
        """Norms and activities per layer on one batch, as flat keys (``gradient_norm/hidden1``); changes nothing."""
        return {}

    @abstractmethod
    def first_bad_layer(self) -> str:
        """Name of the first layer whose output or parameters are not `bounded`, for the report of a divergence."""


def bounded(array: Array) -> bool:
    """Whether all numbers are finite and of a size that training can come back from."""
    return array.size == 0 or bool(max(array.max(), -array.min()) < LARGEST)
