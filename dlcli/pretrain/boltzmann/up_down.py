"""The up-down algorithm: contrastive wake-sleep for a deep belief net (Hinton, Osindero and Teh 2006, appendix B).

Below the top, an RBM whose visible units are the last layer's inputs (and labels), the layers are a directed net: the
network's own weights recognise, upward; weights of their own generate, downward. They start as each other's transposes.

wake    up from the data by recognition, states drawn: the generative weights learn to predict each layer from the one
        above it
top     contrastive divergence of k steps from there
sleep   down from the top by generation, states drawn: the recognition weights learn to predict each layer from the one
        below it
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from dlcli import random
from dlcli.data.pipeline import Batch, BatchSource
from dlcli.kernels import dense, sampling
from dlcli.kernels.activation import SIGMOID
from dlcli.kernels.launch import Launch
from dlcli.layers.base import Array, ParameterSpec, Sink
from dlcli.losses.softmax_cross_entropy import SoftmaxCrossEntropy
from dlcli.network import Network
from dlcli.optim.base import Optimiser
from dlcli.pretrain.boltzmann.learner import Learner, Statistics, contrast, run
from dlcli.pretrain.boltzmann.rbm import Rbm
from dlcli.pretrain.boltzmann.statistics import with_classes
from dlcli.training.measure import measure


@dataclass(frozen=True)
class Directed:
    """A layer below the top: arrays by the names that they have in a checkpoint.

    recognition, generation: names of weights and bias, (inputs, units) with (units,), and (units, inputs) with
    (inputs,).
    """

    name: str
    recognition: tuple[str, str]
    generation: tuple[str, str]


@dataclass(frozen=True)
class Stack:
    """The layers of a belief net, from the input up: directed ones, and the RBM at the top.

    arrays: all of them, by name; changed in place. specs: for the optimiser. top_names: weights, hidden bias, visible
    bias of the RBM.
    """

    arrays: dict[str, Array]
    specs: dict[str, ParameterSpec]
    directed: tuple[Directed, ...]
    top: Rbm
    top_names: tuple[str, str, str]


class UpDown(Learner):
    """A belief net and an optimiser, which takes all of its parameters.

    Parameters
    ----------
    network: the classifier that recognition makes, whose error `evaluate` gives where there are labels.
    steps: k, Gibbs steps of the top for each update.
    """

    def __init__(self, stack: Stack, network: Network, optimiser: Optimiser, steps: int, *, seed: int) -> None:
        super().__init__(stack.arrays, stack.specs, optimiser, stack.directed[0].name)
        self._stack, self._network, self._steps, self._seed = stack, network, steps, seed
        self._reconstructions: dict[int, _Reconstruction] = {}

    def prepare(self, samples: int) -> "UpDownStatistics":
        return UpDownStatistics(self._stack, samples, self._steps, self.sinks, self._seed)

    def evaluate(self, source: BatchSource, batch_size: int) -> dict[str, float]:
        """``loss``, the first layer's reconstruction error in mean field; with labels, the classifier's ``error``."""
        total = 0.0
        for batch in source.iterate(batch_size):
            n = len(batch.x)
            if n not in self._reconstructions:
                self._reconstructions[n] = _Reconstruction(self._stack, n)
            total += self._reconstructions[n].error(batch.x)
        found = {"loss": total / len(source)}
        if self._stack.top.labels:
            found["error"] = measure(self._network, SoftmaxCrossEntropy(), source, batch_size).metrics()["error"]
        return found

    def kept(self) -> dict[str, Array]:
        """The model: the directed layers' weights downward and, as they are now, upward, and the RBM at the top.

        Later stages change the network's weights, which recognise no more as they did then.
        """
        stack, top, kinds = self._stack, self._stack.top, ("weights", "bias")
        down = {name: stack.arrays[name] for each in stack.directed for name in each.generation}
        own = {
            f"{each.name}.recognition/{kind}": stack.arrays[name]
            for each in stack.directed
            for kind, name in zip(kinds, each.recognition, strict=True)
        }
        rbm = {"weights": top.weights, "bias": top.hidden_bias, "visible_bias": top.visible_bias}
        prefix = stack.top_names[0].split("/")[0]
        own |= {f"{prefix}.rbm/{name}": array for name, array in rbm.items()}
        return down | {name: array.copy() for name, array in own.items()}


class _Reconstruction:
    """What is generated of ``n`` samples from their first layer's means."""

    def __init__(self, stack: Stack, n: int) -> None:
        first = stack.directed[0]
        up, down = ([stack.arrays[name] for name in names] for names in (first.recognition, first.generation))
        (inputs, units), dtype = up[0].shape, up[0].dtype
        self._x, h, back = (np.zeros((n, size), dtype) for size in (inputs, units, inputs))
        self._errors = np.zeros(n)
        self._launches = [
            *dense.forward.plan(self._x, *up, SIGMOID, h),
            *dense.forward.plan(h, *down, SIGMOID, back),
            *sampling.squared_errors.plan(self._x, back, self._errors),
        ]

    def error(self, x: Array) -> float:
        """The sum of ½ Σ (x − x')² over the samples."""
        self._x[...] = x.reshape(self._x.shape)
        run(self._launches)
        return float(np.add.reduce(self._errors))


class UpDownStatistics(Statistics):
    """The states of both phases on ``n`` samples; lists run from the input up."""

    def __init__(self, stack: Stack, n: int, steps: int, sinks: Mapping[str, Sink], seed: int) -> None:
        self._stack, self._n, self._steps, self._seed = stack, n, steps, seed
        self._time = np.zeros(1, np.int64)
        dtype = stack.top.weights.dtype
        sizes = [len(stack.arrays[each.recognition[0]]) for each in stack.directed]
        sizes.append(len(stack.top.weights) - stack.top.labels)

        def states() -> list[Array]:
            return [np.zeros((n, size), dtype) for size in sizes]

        self._wake, self._sleep, self._up_means, self._down_means = states(), states(), states(), states()
        self._dream, self._seen = states(), states()  # predictions: of the wake phase, and of sleep
        self._errors = np.zeros(n)
        self._plan_directed()
        self._plan_top(steps)
        self._plan_gradients(sinks)

    def _key(self, *address: str | int) -> int:
        return random.key(self._seed, "up-down", *address)

    def _plan_directed(self) -> None:
        arrays, time = self._stack.arrays, self._time
        self._rising: list[Launch] = []
        self._falling: list[Launch] = []
        for place, each in enumerate(self._stack.directed):
            up = [arrays[name] for name in each.recognition]
            down = [arrays[name] for name in each.generation]
            wake, sleep = self._wake, self._sleep
            self._rising += dense.forward_drawn.plan(
                wake[place], *up, self._up_means[place + 1], self._key(place, "wake"), time, wake[place + 1]
            )
            self._rising += dense.forward.plan(wake[place + 1], *down, SIGMOID, self._dream[place])
            fall = dense.forward_drawn.plan(
                sleep[place + 1], *down, self._down_means[place], self._key(place, "sleep"), time, sleep[place]
            )
            seen = self._down_means if place == 0 else sleep  # the visible probabilities stand for states
            fall += dense.forward.plan(seen[place], *up, SIGMOID, self._seen[place + 1])
            self._falling = fall + self._falling
        self._error = sampling.squared_errors.plan(self._wake[0], self._dream[0], self._errors)

    def _plan_top(self, steps: int) -> None:
        top, n, time = self._stack.top, self._n, self._time
        visible, hidden = top.weights.shape
        self._v, self._h = (np.zeros((2 * n, size), top.weights.dtype) for size in (visible, hidden))
        means, states = np.zeros((n, visible), self._v.dtype), np.zeros((n, hidden), self._v.dtype)
        up, down = self._key("top", "up"), self._key("top", "down")
        self._positive = top.up(up, time, self._v[:n], self._h[:n], states)
        self._gibbs = [
            (
                top.down(down, time, states, means, self._v[n:]),
                top.up(up, time, self._v[n:], self._h[n:], states),
            )
            for _ in range(steps)
        ]

    def _plan_gradients(self, sinks: Mapping[str, Sink]) -> None:
        launches: list[Launch] = []
        for place, each in enumerate(self._stack.directed):
            for x, d, names in (
                (self._wake[place + 1], self._dream[place], each.generation),
                ((self._down_means if place == 0 else self._sleep)[place], self._seen[place + 1], each.recognition),
            ):
                launches += dense.weight_gradient.plan(x, d, *sinks[names[0]])
                launches += dense.column_sums.plan(d, *sinks[names[1]])
        weights, hidden_bias, visible_bias = (sinks[name] for name in self._stack.top_names)
        launches += sampling.contrast_columns.plan(self._v, self._n, *visible_bias)
        self._gradients = [*launches, *contrast(self._v, self._h, self._n, weights, hidden_bias)]

    def collect(self, batch: Batch, step: int) -> float:
        """Wake, top and sleep; the error is that of what generation predicts of the samples in the wake phase."""
        n = self._n
        self._time[0] = step * (1 + self._steps)
        self._wake[0][...] = batch.x.reshape(n, -1)
        run(self._rising)
        size = self._wake[-1].shape[1]
        with_classes(Batch(self._wake[-1], batch.y), self._v[:n], self._stack.top.labels)
        self._positive.run()
        for down, up in self._gibbs:
            self._time[0] += 1
            down.run()
            up.run()
        self._sleep[-1][...] = self._v[n:, :size]
        run(self._falling)
        run(self._error)
        return float(np.add.reduce(self._errors))

    def send(self) -> None:
        """The gradients, (prediction − state) / n in the directed layers, and their way to the sinks."""
        pairs = [(d, x) for d, x in zip(self._dream[:-1], self._wake, strict=False)]
        pairs += [(d, x) for d, x in zip(self._seen[1:], self._sleep[1:], strict=True)]
        for prediction, state in pairs:
            np.subtract(prediction, state, out=prediction)
            np.multiply(prediction, prediction.dtype.type(1 / self._n), out=prediction)
        run(self._gradients)
