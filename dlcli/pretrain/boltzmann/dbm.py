"""A deep Boltzmann machine: learning by mean-field inference and persistent chains (Salakhutdinov and Hinton 2009).

E(v, h¹, …, hᴸ) = −b⁰ᵀv − Σ_l b^lᵀh^l − vᵀW¹h¹ − Σ_l h^(l−1)ᵀW^l h^l: every layer has connections with both of its
neighbours, none within. ⟨·⟩_data comes from the fully factorised posterior that mean field finds, ⟨·⟩_model from Gibbs
chains that go on from update to update, odd and even layers in turn. As in contrastive divergence, data and chains
stand in one array for each layer, so that a layer's gradient is one product.
"""

import math
from dataclasses import dataclass

import numpy as np

from dlcli import random
from dlcli.data.pipeline import Batch, BatchSource
from dlcli.kernels import dense, sampling
from dlcli.kernels.activation import LINEAR, SIGMOID
from dlcli.kernels.launch import Launch
from dlcli.kernels.mean_field import mean_field
from dlcli.layers.base import Array, ParameterSpec
from dlcli.optim.base import Optimiser
from dlcli.optim.schedules.base import Clock
from dlcli.pretrain.boltzmann.divergence import SHARE
from dlcli.training.objective import Objective, StepResult


@dataclass(frozen=True)
class Dbm:
    """Parameters, changed by others in place.

    weights: W^l (units of l − 1, units of l) from the visible layer up. biases: b⁰ of the visible units, b¹, …
    """

    weights: tuple[Array, ...]
    biases: tuple[Array, ...]

    @property
    def depth(self) -> int:
        """How many hidden layers there are."""
        return len(self.weights)


class Gibbs:
    """Chains over all layers, in buffers that stay: ``states`` (M, units) of the visible layer and each hidden one.

    A step draws the odd layers given the even ones, then the even ones, the visible among them, given the odd ones.
    ``visible_means`` (M, visible) are those from which the last visible states were drawn.
    """

    def __init__(self, dbm: Dbm, states: list[Array], seed: int, time: Array, purpose: str) -> None:
        self._dbm, self._states = dbm, states
        self.visible_means = np.zeros_like(states[0])
        self._seed, self._purpose, self._time = seed, purpose, time
        places = range(dbm.depth + 1)
        self._step = [launch for odd in (1, 0) for place in places if place % 2 == odd for launch in self._draw(place)]

    def _draw(self, place: int) -> list[Launch]:
        dbm, states, out = self._dbm, self._states, self._states[place]
        key, bias = random.key(self._seed, self._purpose, place), dbm.biases[place]
        mean = self.visible_means if place == 0 else np.zeros_like(out)
        if place == 0:
            return dense.forward_transposed_drawn.plan(states[1], dbm.weights[0], bias, mean, key, self._time, out)
        if place == dbm.depth:
            return dense.forward_drawn.plan(states[place - 1], dbm.weights[place - 1], bias, mean, key, self._time, out)
        below = np.zeros_like(out)
        return [
            *dense.forward.plan(states[place - 1], dbm.weights[place - 1], bias, LINEAR, below),
            *dense.forward_transposed_drawn.plan(
                states[place + 1], dbm.weights[place], below, mean, key, self._time, out
            ),
        ]

    def run(self) -> None:
        for launch in self._step:
            launch.run()


@dataclass(frozen=True)
class MachineNames:
    """Names in a checkpoint of weights and biases, as `Dbm` has them; ``last`` is the last layer's."""

    weights: tuple[str, ...]
    biases: tuple[str, ...]
    last: str


class DeepBoltzmannMachine(Objective):
    """A DBM, its chains and an optimiser.

    Parameters
    ----------
    dbm: its arrays are changed in place; ``names`` and ``specs`` are theirs.
    first: (M, visible) where the chains start.
    mean_field_steps, gibbs_steps: of inference, and of the chains, for each update.
    """

    def __init__(
        self,
        dbm: Dbm,
        names: MachineNames,
        specs: dict[str, ParameterSpec],
        optimiser: Optimiser,
        first: Array,
        *,
        mean_field_steps: int,
        gibbs_steps: int,
        seed: int,
    ) -> None:
        self._dbm, self._names = dbm, names
        self._mean_field_steps, self._gibbs_steps = mean_field_steps, gibbs_steps
        both = zip(names.weights + names.biases, dbm.weights + dbm.biases, strict=True)
        self._arrays = dict(both)
        self._updater = optimiser.updater(self._arrays, specs)
        self._time = np.zeros(1, np.int64)
        self._chains = [np.ascontiguousarray(first, np.float32).copy()]
        self._chains += [np.zeros((len(first), weights.shape[1]), np.float32) for weights in dbm.weights]
        self._gibbs = Gibbs(dbm, self._chains, seed, self._time, "dbm")
        self._buffers: dict[int, _Buffers] = {}
        self._inferences: dict[int, _Inference] = {}

    @property
    def learning_rate(self) -> float:
        return self._updater.learning_rate

    def step(self, batch: Batch, clock: Clock) -> StepResult:
        n = len(batch.x)
        buffers = self._buffers.get(n)
        if buffers is None:
            buffers = self._buffers[n] = _Buffers(self, n)
        self._updater.begin(clock)
        buffers.layers[0][:n] = batch.x.reshape(n, -1)
        for launch in buffers.mean_field:
            launch.run()
        for step in range(self._gibbs_steps):
            self._time[0] = clock.step * self._gibbs_steps + step
            self._gibbs.run()
        loss = buffers.reconstruction_error()
        if math.isfinite(loss):
            for layer, states in zip(buffers.layers, self._chains, strict=True):
                layer[n:] = states
            for launch in buffers.gradients:
                launch.run()
            self._updater.finish()
        return StepResult(loss, None)

    def evaluate(self, source: BatchSource, batch_size: int) -> dict[str, float]:
        """``loss``: ½ Σ (v − v')², v' being the visible means given the first layer's posterior means."""
        total = 0.0
        for batch in source.iterate(batch_size):
            n = len(batch.x)
            if n not in self._inferences:
                self._inferences[n] = _Inference(self._dbm, n, self._mean_field_steps)
            total += self._inferences[n].error(batch.x)
        return {"loss": total / len(source)}

    def tensors(self) -> dict[str, Array]:
        chains = {f"{self._names.last}.dbm/chains_{place}": array for place, array in enumerate(self._chains)}
        return self._arrays | chains | self._updater.state

    def kept(self) -> dict[str, Array]:
        return {name: array for name, array in self._arrays.items() if ".dbm/" in name}

    def first_bad_layer(self) -> str:
        return self._names.last


class _Buffers:
    """A step's arrays for ``n`` samples: for each layer (n + M, units), samples or their posterior's means, then the
    chains' states."""

    def __init__(self, owner: DeepBoltzmannMachine, n: int) -> None:
        dbm, sinks, names = owner._dbm, owner._updater.sinks, owner._names
        m = len(owner._chains[0])
        dtype = dbm.weights[0].dtype
        self.layers = [np.zeros((n + m, len(bias)), dtype) for bias in dbm.biases]
        samples, *means = (layer[:n] for layer in self.layers)
        self.mean_field = mean_field.plan(samples, dbm.weights, dbm.biases[1:], means, owner._mean_field_steps)
        share = np.concatenate([np.full(n, -1 / n), np.full(m, 1 / m)]).astype(dtype)[:, None]
        self.gradients: list[Launch] = []
        for place in range(dbm.depth, 0, -1):  # from the top, since a layer is weighed once the one above has used it
            layer = self.layers[place]
            self.gradients += sampling.weigh.plan(layer, n, -1 / n, 1 / m)
            below = self.layers[place - 1]
            self.gradients += dense.weight_gradient.plan(below, layer, *sinks[names.weights[place - 1]])
            self.gradients += dense.column_sums.plan(layer, *sinks[names.biases[place]])
        bias = sinks[names.biases[0]]
        row = bias._replace(target=bias.target.reshape(1, -1), velocity=bias.velocity.reshape(1, -1))
        self.gradients += dense.weight_gradient.plan(share, self.layers[0], *row)
        count = max(1, n // SHARE)
        self._scale, self._errors = n / count, np.zeros(count)
        back = np.zeros((count, self.layers[0].shape[1]), dtype)
        self._error = [
            *dense.forward_transposed.plan(self.layers[1][:count], dbm.weights[0], dbm.biases[0], SIGMOID, back),
            *sampling.squared_errors.plan(self.layers[0][:count], back, self._errors),
        ]

    def reconstruction_error(self) -> float:
        """The sum of ½ Σ (v − v')² over the samples, estimated from a tenth of them."""
        for launch in self._error:
            launch.run()
        return float(np.add.reduce(self._errors)) * self._scale


class _Inference:
    """Mean field for ``n`` samples, and what it reconstructs."""

    def __init__(self, dbm: Dbm, n: int, steps: int) -> None:
        self._layers = [np.zeros((n, len(bias)), bias.dtype) for bias in dbm.biases]
        first, means = self._layers[0], self._layers[1:]
        self._mean_field = mean_field.plan(first, dbm.weights, dbm.biases[1:], means, steps)
        back, self._errors = np.zeros_like(first), np.zeros(n)
        self._error = [
            *dense.forward_transposed.plan(means[0], dbm.weights[0], dbm.biases[0], SIGMOID, back),
            *sampling.squared_errors.plan(first, back, self._errors),
        ]

    def error(self, x: Array) -> float:
        self._layers[0][...] = x.reshape(self._layers[0].shape)
        for launch in (*self._mean_field, *self._error):
            launch.run()
        return float(np.add.reduce(self._errors))
