"""What training costs: time of steps and of each layer's passes, and the arithmetic that they do.

Two series of steps are timed. One runs whole steps, undisturbed, as training does. The other has a clock around every
layer's passes; what a step takes beside them is the loss, its metrics, and updates outside the layers.

Times hardly depend on the values of samples and parameters, but an infinite loss would end a step early, and
denormal numbers slow it down. So the learning rate is 0: every update is computed, and changes nothing.
"""

import math
import resource
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from dlcli.data.pipeline import Batch, BatchSource, Epoch, order
from dlcli.errors import Diverged
from dlcli.graph import Node
from dlcli.layers.base import Arrays
from dlcli.optim.base import Optimiser
from dlcli.optim.schedules.base import Clock
from dlcli.training.backpropagation import Backpropagation

WARM_UP = 3  # steps before any is timed: kernels compile, buffers are touched for the first time
SECONDS = 3.0  # for each series, where the number of steps is not given
FEWEST, MOST = 10, 1000  # steps in that time


@dataclass(frozen=True)
class LayerCost:
    """One layer's part of a step: medians in milliseconds, and floating-point operations."""

    name: str
    type: str
    forward_ms: float
    backward_ms: float
    operations: int

    @property
    def ms(self) -> float:
        return self.forward_ms + self.backward_ms

    @property
    def gflops(self) -> float:
        return 1e-6 * self.operations / self.ms if self.ms else 0.0


@dataclass(frozen=True)
class Cost:
    """A step's cost in milliseconds.

    ``steps``: of each step, without clocks around the layers. ``layers``, ``rest``: medians with them; the rest is
    what no layer does: loss, metrics, updates outside the layers. ``batch``: median of assembling a mini-batch,
    which is no part of a step.
    """

    batch_size: int
    steps: list[float]
    layers: list[LayerCost]
    rest: float
    batch: float

    @property
    def median(self) -> float:
        return statistics.median(self.steps)

    @property
    def minimum(self) -> float:
        return min(self.steps)

    @property
    def operations(self) -> int:
        """Of a step: additions and multiplications in the layers' products."""
        return sum(layer.operations for layer in self.layers)

    @property
    def gflops(self) -> float:
        return 1e-6 * self.operations / self.median

    @property
    def samples_per_second(self) -> float:
        return 1e3 * self.batch_size / self.median

    def share(self, ms: float) -> float:
        """Of a step with clocks around the layers, so that all shares sum to 1."""
        return ms / (self.rest + sum(layer.ms for layer in self.layers))


def at_rest(optimiser: Optimiser) -> Optimiser:
    """The optimiser with a learning rate of 0, which its options would refuse."""
    return optimiser.model_copy(update={"learning_rate": 0.0})


def benchmark(objective: Backpropagation, source: BatchSource, batch_size: int, steps: int | None = None) -> Cost:
    """Time steps on one mini-batch of ``source``, whose samples are repeated where there are too few.

    Parameters
    ----------
    objective: with an optimiser `at_rest`. Its network's layers have clocks afterwards.
    steps: in each of the two series; None: as many as about `SECONDS` have room for.

    Raises
    ------
    Diverged: the loss at the initial parameters is not finite; a step ends early then.
    """
    batch, batch_ms = _batch(source, batch_size)
    x = objective.room(batch_size).reshape(batch.x.shape)  # where training has them written
    x[...] = batch.x
    batch = batch.at(x)

    def series(count: int) -> list[float]:
        clocks = (Clock(step, source.batches(batch_size), 1) for step in range(count))
        return [_milliseconds(partial(_step, objective, batch, clock)) for clock in clocks]

    fastest = min(series(WARM_UP))
    steps = steps or round(min(max(1e3 * SECONDS / fastest, FEWEST), MOST))
    whole = series(steps)
    layers: list[_Clocked] = []

    def clocked(node: Node) -> Any:
        layers.append(_Clocked(node))
        return layers[-1]

    objective.network.wrap_layers(clocked)
    beside = np.array(series(1 + steps)[1:]) - sum(layer.of_steps(steps) for layer in layers)
    return Cost(batch_size, whole, [layer.cost(batch_size, steps) for layer in layers], _median(beside), batch_ms)


class _Clocked:
    """A layer that notes how long its passes take."""

    def __init__(self, node: Node) -> None:
        self._node, self._layer = node, node.layer
        self._forward_ms: list[float] = []
        self._backward_ms: list[float] = []
        self._products = 0

    def forward(self, arrays: Arrays, training: bool, step: int) -> None:
        self._forward_ms.append(_milliseconds(lambda: self._layer.forward(arrays, training, step)))
        self._products = products(arrays)

    def backward(self, arrays: Arrays) -> None:
        self._backward_ms.append(_milliseconds(lambda: self._layer.backward(arrays)))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._layer, name)

    def of_steps(self, steps: int) -> Any:
        """(steps,) both passes in each of the last steps."""
        forward, backward = np.array(self._forward_ms[-steps:]), np.array(self._backward_ms[-steps:])
        return forward + backward if len(backward) else forward

    def cost(self, samples: int, steps: int) -> LayerCost:
        """Medians over the last steps."""
        return LayerCost(
            name=self._node.name,
            type=getattr(self._layer, "type", ""),
            forward_ms=_median(self._forward_ms[-steps:]),
            backward_ms=_median(self._backward_ms[-steps:]),
            operations=2 * samples * self._node.multiply_adds * self._products,
        )


def products(arrays: Arrays) -> int:
    """How many products of one size a step has: forward, and the gradients that are wanted, by weights and by input."""
    by_weights = any(sink is not None for sink in arrays.sinks.values())
    by_input = any(gradient is not None for gradient in arrays.d_inputs)
    return 1 + by_weights + by_input


def peak_memory() -> int:
    """The most bytes of memory that this process has held so far."""
    try:  # what `getrusage` says on Linux is that of the process that started this one, where it was larger
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        return 1024 * int(status.partition("VmHWM:")[2].split()[0])
    except (OSError, IndexError):
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else 1024 * most


def _batch(source: BatchSource, size: int) -> tuple[Batch, float]:
    """A mini-batch, and the median time to assemble one."""
    batch = source.buffers(size)
    indices = np.resize(order(0, "benchmark", 0, len(source)), size)
    fill = partial(source.fill, indices, *batch, epoch=Epoch(0, 0))
    return batch, _median([_milliseconds(fill) for _ in range(FEWEST)])


def _step(objective: Backpropagation, batch: Batch, clock: Clock) -> None:
    loss = objective.step(batch, clock).loss
    if not math.isfinite(loss):
        layer = objective.first_bad_layer()
        raise Diverged(f"the loss at the initial parameters is {loss} (layer {layer}): there is no whole step to time")


def _milliseconds(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return 1e3 * (time.perf_counter() - began)


def _median(times: Any) -> float:
    return float(np.median(times)) if len(times) else 0.0
