"""What the objectives of Boltzmann machines share: statistics of data and model, whose difference is the gradient.

The gradient of −log p(v) by the weights W between two layers is ⟨vh⟩_model − ⟨vh⟩_data. Data and the states of chains
stand in one array of the lower layer's states, V, and one of the upper one's means, H, whose rows are weighed −1/N and
+1/M; then Vᵀ H is the gradient, one product, whose tiles apply eq. (4) as they are stored.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping

import numpy as np

from dlcli.data.pipeline import Batch
from dlcli.kernels import dense, sampling
from dlcli.kernels.launch import Launch
from dlcli.layers.base import Array, ParameterSpec, Sink
from dlcli.optim.base import Optimiser
from dlcli.optim.schedules.base import Clock
from dlcli.training.objective import Objective, StepResult

SHARE = 10  # where a reconstruction costs a product of its own, one sample of so many is reconstructed for the log


class Statistics(ABC):
    """All that a step on mini-batches of one size writes, and how it goes on to the sinks."""

    @abstractmethod
    def collect(self, batch: Batch, step: int) -> float:
        """Take the statistics of data and model; gives the sum of the samples' reconstruction errors, ½ Σ (v − v')²."""

    def room(self) -> Array | None:
        """Where a batch's samples may be written, flat, so that `collect` need not copy them."""
        return None

    @abstractmethod
    def send(self) -> None:
        """Send the gradients that they make to the sinks."""


class Learner(Objective):
    """Arrays of a machine, and an optimiser that changes them.

    Parameters
    ----------
    arrays: the parameters by their names in a checkpoint, changed in place. specs: of all of these.
    layer: the name of the layer that a divergence is reported of.
    """

    def __init__(
        self, arrays: Mapping[str, Array], specs: Mapping[str, ParameterSpec], optimiser: Optimiser, layer: str
    ) -> None:
        self.arrays, self._layer = dict(arrays), layer
        self._updater = optimiser.updater(self.arrays, specs)
        self._statistics: dict[int, Statistics] = {}  # by the mini-batch's size

    @abstractmethod
    def prepare(self, samples: int) -> Statistics:
        """The arrays and launches for mini-batches of so many samples."""

    @property
    def sinks(self) -> dict[str, Sink]:
        """Where the gradient of each of the arrays goes."""
        return self._updater.sinks

    @property
    def learning_rate(self) -> float:
        return self._updater.learning_rate

    def step(self, batch: Batch, clock: Clock) -> StepResult:
        statistics = self._prepared(len(batch.x))
        with np.errstate(all="ignore"):  # what is no number any more is reported as a divergence
            self._updater.begin(clock)
            loss = statistics.collect(batch, clock.step)
            if math.isfinite(loss):
                statistics.send()
                self._updater.finish()
        return StepResult(loss, None)

    def room(self, samples: int) -> Array | None:
        return self._prepared(samples).room()

    def _prepared(self, samples: int) -> Statistics:
        found = self._statistics.get(samples)
        if found is None:
            found = self._statistics[samples] = self.prepare(samples)
        return found

    def tensors(self) -> dict[str, Array]:
        return self.arrays | self._updater.state

    def first_bad_layer(self) -> str:
        return self._layer


def run(launches: list[Launch]) -> None:
    """Run them in turn."""
    for launch in launches:
        launch.run()


def contrast(v: Array, h: Array, samples: int, weights: Sink, hidden_bias: Sink) -> list[Launch]:
    """Weigh the rows of h (N + M, hidden), in place, and send its sums and Vᵀ H to their sinks; v: (N + M, visible)."""
    return [
        *sampling.weigh.plan(h, samples, -1 / samples, 1 / (len(h) - samples)),
        *dense.column_sums.plan(h, *hidden_bias),
        *dense.weight_gradient.plan(v, h, *weights),
    ]
