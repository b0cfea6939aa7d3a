"""Backpropagation: a network's loss on batches with targets, classes or values (an autoencoder's are its inputs)."""

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from dlcli.data.pipeline import Batch, BatchSource
from dlcli.kernels import ahead
from dlcli.kernels.launch import rehearsal
from dlcli.kernels.sink import STORE, sum_of_squares
from dlcli.layers.base import Array, Sink
from dlcli.losses.base import Loss
from dlcli.network import Network
from dlcli.optim.base import Optimiser
from dlcli.optim.schedules.base import Clock
from dlcli.training.heads import evaluate_heads
from dlcli.training.measure import measure, predicted_classes
from dlcli.training.objective import Objective, StepResult, bounded


class _Buffers(NamedTuple):
    """What a step writes beside the network's own, for batches of one size, (N,) each; losses: (heads, N)."""

    losses: Array
    predicted: Array
    wrong: Array

    @classmethod
    def of(cls, samples: int, heads: int) -> "_Buffers":
        return cls(np.empty((heads, samples)), np.empty(samples, np.int64), np.empty(samples, np.bool_))


class Backpropagation(Objective):
    """A network, its losses and an optimiser.

    ``network.parameters`` are changed in place, most of them by the backward pass itself (see `Sink`).

    Parameters
    ----------
    network: whose heads are those of the losses, in their order.
    loss: the main one.
    optimiser: how gradients change parameters.
    auxiliary: losses that serve training alone, each at a head of its own.
    frozen: names of parameters that stay as they are.
    kept: names of tensors that outlive the stage, each by the name under which it does (see `Objective.kept`).
    notes: what must be known of them.
    """

    def __init__(
        self,
        network: Network,
        loss: Loss,
        optimiser: Optimiser,
        *,
        auxiliary: Sequence[Loss] = (),
        frozen: Collection[str] = (),
        kept: Mapping[str, str] | None = None,
        notes: Mapping[str, Any] | None = None,
    ) -> None:
        self.network = network
        self._loss = loss
        self._losses = (loss, *auxiliary)
        self._kept, self._notes = dict(kept or {}), dict(notes or {})
        graph = network.graph
        trained = {name: array for name, array in network.parameters.items() if name not in frozen}
        self._updater = optimiser.updater(trained, graph.parameters)
        network.bind(self._updater.sinks)
        self._buffers: dict[int, _Buffers] = {}  # by the batch's size: an epoch's own, and its last
        self._last: tuple[Array, int] | None = None  # the last step's samples, and its number

    @property
    def learning_rate(self) -> float:
        return self._updater.learning_rate

    def step(self, batch: Batch, clock: Clock) -> StepResult:
        n = len(batch.x)
        buffers = self._buffers.get(n)
        if buffers is None:
            buffers = self._buffers[n] = _Buffers.of(n, len(self._losses))
            self._compile_ahead(batch, buffers)
        self._last = batch.x, clock.step
        self._updater.begin(clock)
        total, outputs = self._pass(batch, clock, buffers)
        wrong = counted = None
        if batch.y.dtype == np.int64:
            np.not_equal(predicted_classes(outputs, buffers.predicted), batch.y, out=buffers.wrong)
            if (counts := self._loss.counted(batch.y)) is not None:
                np.logical_and(buffers.wrong, counts, out=buffers.wrong)
                counted = int(np.count_nonzero(counts))
            wrong = int(np.count_nonzero(buffers.wrong))
        parts = self._parts(buffers.losses)
        if math.isfinite(total):
            self._updater.finish(total / n, lambda: self._pass(batch, clock, buffers)[0] / n)
        return StepResult(total, wrong, counted, parts)

    def _compile_ahead(self, batch: Batch, buffers: _Buffers) -> None:
        """Have the kernels of a step compiled, several at once, where they are missing; nothing is computed."""
        with rehearsal() as kernels, np.errstate(all="ignore"):
            self.network.forward(batch.x, training=True)
            evaluate_heads(self.network, self._losses, batch.y, buffers.losses)
            self.network.backward(len(batch.x))
        ahead.prepare(kernels)

    def room(self, samples: int) -> Array:
        return self.network.inputs(samples)

    def _pass(self, batch: Batch, clock: Clock, buffers: _Buffers) -> tuple[float, Array]:
        """The sum of the losses of a batch, its gradients where that is finite, and the main head's outputs.

        Within one step it may be repeated at other parameters: random layers do the same again.
        """
        n = len(batch.x)
        outputs = self.network.forward(batch.x, training=True, step=clock.step)
        total = evaluate_heads(self.network, self._losses, batch.y, buffers.losses) + n * self.network.penalty(n)
        if math.isfinite(total):
            self.network.backward(n)
        return total, outputs

    def _parts(self, losses: Array) -> dict[str, float]:
        """The sum of each loss by its head's name, where there are several."""
        if len(losses) == 1:
            return {}
        nodes, heads = self.network.graph.nodes, self.network.graph.heads
        return {nodes[head].name: float(np.add.reduce(own)) for head, own in zip(heads, losses, strict=True)}

    def evaluate(self, source: BatchSource, batch_size: int) -> dict[str, float]:
        self._keep_last()
        return measure(self.network, self._loss, source, batch_size).metrics()

    def tensors(self) -> dict[str, Array]:
        return self.network.tensors | self._updater.state

    def kept(self) -> dict[str, Array]:
        """Copies: later stages change the network's own."""
        tensors = self.network.tensors
        return {called: tensors[name].copy() for called, name in self._kept.items()}

    def notes(self) -> dict[str, Any]:
        return self._notes

    def diagnose(self, batch: Batch) -> dict[str, float]:
        """Per layer with weights: norms of gradient and weights, and the mean absolute output."""
        self._keep_last()
        n = len(batch.x)
        gradients = {name: np.zeros_like(array) for name, array in self.network.parameters.items()}
        unused = np.zeros(3, self.network.dtype)
        state = {name: array.copy() for name, array in self.network.state.items()}
        self.network.bind({name: Sink(STORE, array, array, unused) for name, array in gradients.items()})
        self.network.forward(batch.x, training=True)
        evaluate_heads(self.network, self._losses, batch.y, np.empty((len(self._losses), n)))
        activity = {name: float(np.abs(y).mean()) for name, y in self.network.outputs(n).items()}
        self.network.backward(n)
        self.network.bind(self._updater.sinks)
        for name, array in state.items():
            self.network.state[name][:] = array
        result = {}
        for node in self.network.graph.nodes:
            if "weights" in node.parameters:
                weights = node.source("weights")
                result[f"gradient_norm/{node.name}"] = _norm(gradients[weights])
                result[f"weight_norm/{node.name}"] = _norm(self.network.parameters[weights])
                result[f"activity/{node.name}"] = activity[node.name]
        return result

    def _keep_last(self) -> None:
        """Other samples are to pass the network, in whose memory the last step's may be."""
        if self._last is not None:
            self._last = self._last[0].copy(), self._last[1]

    def first_bad_layer(self) -> str:
        nodes, outputs = self.network.graph.nodes, {}
        if self._last is not None:  # outputs are not there after a backward pass: they are made again
            x, step = self._last
            self.network.forward(x, training=True, step=step)
            outputs = self.network.outputs(len(x))
        for node in nodes:
            arrays = [self.network.parameters[node.source(name)] for name in node.parameters]
            arrays += [self.network.state[f"{node.name}/{name}"] for name in node.state]
            arrays += [outputs[node.name]] if outputs else []
            if not all(map(bounded, arrays)):
                return node.name
        return nodes[-1].name


def _norm(array: Array) -> float:
    return math.sqrt(sum_of_squares(array.reshape(-1)))
