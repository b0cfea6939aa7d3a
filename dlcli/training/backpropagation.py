"""Backpropagation: a network's loss on batches with targets, classes or values (an autoencoder's are its inputs)."""

import math
from typing import NamedTuple

import numpy as np

from dlcli.data.pipeline import Batch, BatchSource
from dlcli.kernels.sink import STORE, sum_of_squares
from dlcli.layers.base import Array, Sink
from dlcli.losses.base import Loss
from dlcli.network import Network
from dlcli.optim.base import Optimiser
from dlcli.optim.schedules.base import Clock
from dlcli.training.measure import measure, predicted_classes
from dlcli.training.objective import Objective, StepResult, bounded


class _Buffers(NamedTuple):
    """What a step writes beside the network's own, for batches of one size, (N,) each."""

    losses: Array
    predicted: Array
    wrong: Array

    @classmethod
    def of(cls, samples: int) -> "_Buffers":
        return cls(np.empty(samples), np.empty(samples, np.int64), np.empty(samples, np.bool_))


class Backpropagation(Objective):
    """A network, a loss and an optimiser.

    ``network.parameters`` are changed in place, most of them by the backward pass itself (see `Sink`).
    """

    def __init__(self, network: Network, loss: Loss, optimiser: Optimiser) -> None:
        self.network = network
        self._loss = loss
        graph = network.graph
        self._updater = optimiser.updater(network.parameters, graph.parameters)
        network.bind(self._updater.sinks)
        self._buffers: dict[int, _Buffers] = {}  # by the batch's size: an epoch's own, and its last
        self._samples = 0  # of the last batch

    @property
    def learning_rate(self) -> float:
        return self._updater.learning_rate

    def step(self, batch: Batch, clock: Clock) -> StepResult:
        n = len(batch.x)
        buffers = self._buffers.get(n)
        if buffers is None:
            buffers = self._buffers[n] = _Buffers.of(n)
        self._samples = n
        self._updater.begin(clock)
        outputs = self.network.forward(batch.x, training=True, step=clock.step)
        self._loss.evaluate(outputs, batch.y, buffers.losses, self.network.output_gradient(n))
        wrong = None
        if batch.y.dtype == np.int64:
            np.not_equal(predicted_classes(outputs, buffers.predicted), batch.y, out=buffers.wrong)
            wrong = int(np.count_nonzero(buffers.wrong))
        total = float(np.add.reduce(buffers.losses)) + n * self.network.penalty(n)
        if math.isfinite(total):
            self.network.backward(n)
            self._updater.finish()
        return StepResult(total, wrong)

    def evaluate(self, source: BatchSource, batch_size: int) -> dict[str, float]:
        return measure(self.network, self._loss, source, batch_size).metrics()

    def tensors(self) -> dict[str, Array]:
        return self.network.parameters | self._updater.state

    def diagnose(self, batch: Batch) -> dict[str, float]:
        """Per layer with weights: norms of gradient and weights, and the mean absolute output."""
        n = len(batch.x)
        gradients = {name: np.zeros_like(array) for name, array in self.network.parameters.items()}
        unused = np.zeros(3, self.network.dtype)
        self.network.bind({name: Sink(STORE, array, array, unused) for name, array in gradients.items()})
        outputs = self.network.forward(batch.x, training=True)
        self._loss.evaluate(outputs, batch.y, np.empty(n), self.network.output_gradient(n))
        activity = {name: float(np.abs(y).mean()) for name, y in self.network.outputs(n).items()}
        self.network.backward(n)
        self.network.bind(self._updater.sinks)
        result = {}
        for node in self.network.graph.nodes:
            if "weights" in node.parameters:
                weights = node.source("weights")
                result[f"gradient_norm/{node.name}"] = _norm(gradients[weights])
                result[f"weight_norm/{node.name}"] = _norm(self.network.parameters[weights])
                result[f"activity/{node.name}"] = activity[node.name]
        return result

    def first_bad_layer(self) -> str:
        nodes = self.network.graph.nodes
        outputs = self.network.outputs(self._samples) if self._samples else {}
        for node in nodes:
            arrays = [self.network.parameters[node.source(name)] for name in node.parameters]
            arrays += [outputs[node.name]] if outputs else []
            if not all(map(bounded, arrays)):
                return node.name
        return nodes[-1].name


def _norm(array: Array) -> float:
    return math.sqrt(sum_of_squares(array.reshape(-1)))
