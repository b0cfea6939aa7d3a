"""A deep Boltzmann machine: learning by mean-field inference and persistent chains (Salakhutdinov and Hinton 2009).

E(v, h¹, …, hᴸ) = −b⁰ᵀv − Σ_l b^lᵀh^l − vᵀW¹h¹ − Σ_l h^(l−1)ᵀW^l h^l: every layer has connections with both of its
neighbours, none within. ⟨·⟩_data comes from the fully factorised posterior that mean field finds, ⟨·⟩_model from Gibbs
chains that go on from update to update, odd and even layers in turn. As in contrastive divergence, data and chains
stand in one array for each layer, so that a layer's gradient is one product.
"""

from dataclasses import dataclass

import numpy as np

from dlcli import random
from dlcli.data.pipeline import Batch, BatchSource
from dlcli.kernels import dense, sampling
from dlcli.kernels.activation import LINEAR, SIGMOID
from dlcli.kernels.launch import Launch
from dlcli.kernels.mean_field import mean_field
from dlcli.layers.base import Array, ParameterSpec, Sink
from dlcli.optim.base import Optimiser
from dlcli.pretrain.boltzmann.learner import SHARE, Learner, Statistics, contrast, run


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

    def __init__(self, dbm: Dbm, states: list[Array], seed: int, purpose: str) -> None:
        self._dbm, self._states = dbm, states
        self.visible_means = np.zeros_like(states[0])
        self._seed, self._purpose, self._time = seed, purpose, np.zeros(1, np.int64)
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

    def run(self, first: int, steps: int = 1) -> None:
        """So many steps, whose draws have the addresses ``first`` …"""
        for step in range(first, first + steps):
            self._time[0] = step
            run(self._step)


@dataclass(frozen=True)
class MachineNames:
    """Names in a checkpoint of weights and biases, as `Dbm` has them; ``last`` is the last layer's."""

    weights: tuple[str, ...]
    biases: tuple[str, ...]
    last: str


class DeepBoltzmannMachine(Learner):
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
        arrays = dict(zip(names.weights + names.biases, dbm.weights + dbm.biases, strict=True))
        super().__init__(arrays, specs, optimiser, names.last)
        self._dbm, self._names = dbm, names
        self._mean_field_steps, self._gibbs_steps = mean_field_steps, gibbs_steps
        self.chains = [np.ascontiguousarray(first, np.float32).copy()]
        self.chains += [np.zeros((len(first), weights.shape[1]), np.float32) for weights in dbm.weights]
        self._gibbs = Gibbs(dbm, self.chains, seed, "dbm")
        self._inferences: dict[int, _Inference] = {}

    def prepare(self, samples: int) -> "DbmStatistics":
        weights, biases = ([self.sinks[name] for name in own] for own in (self._names.weights, self._names.biases))
        return DbmStatistics(
            self._dbm, samples, self.chains, self._gibbs, weights, biases,
            mean_field_steps=self._mean_field_steps, gibbs_steps=self._gibbs_steps,
        )  # fmt: skip

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
        chains = {f"{self._names.last}.dbm/chains_{place}": array for place, array in enumerate(self.chains)}
        return super().tensors() | chains

    def kept(self) -> dict[str, Array]:
        return {name: array for name, array in self.arrays.items() if ".dbm/" in name}


class DbmStatistics(Statistics):
    """For each layer (n + M, units): samples or their posterior's means, and then the chains' states."""

    def __init__(
        self,
        dbm: Dbm,
        n: int,
        chains: list[Array],
        gibbs: Gibbs,
        weights: list[Sink],
        biases: list[Sink],
        *,
        mean_field_steps: int,
        gibbs_steps: int,
    ) -> None:
        self._n, self._chains, self._gibbs, self._gibbs_steps = n, chains, gibbs, gibbs_steps
        rows, dtype = n + len(chains[0]), dbm.weights[0].dtype
        self._layers = [np.zeros((rows, len(bias)), dtype) for bias in dbm.biases]
        samples, *means = (layer[:n] for layer in self._layers)
        self._inference = mean_field.plan(samples, dbm.weights, dbm.biases[1:], means, mean_field_steps)
        self._gradients = sampling.contrast_columns.plan(self._layers[0], n, *biases[0])
        for place in range(dbm.depth, 0, -1):  # from the top, since a layer is weighed once the one above has used it
            below, layer = self._layers[place - 1 : place + 1]
            self._gradients += contrast(below, layer, n, weights[place - 1], biases[place])
        count = max(1, n // SHARE)
        self._scale, self._errors = n / count, np.zeros(count)
        back = np.zeros((count, self._layers[0].shape[1]), dtype)
        self._error = [
            *dense.forward_transposed.plan(means[0][:count], dbm.weights[0], dbm.biases[0], SIGMOID, back),
            *sampling.squared_errors.plan(samples[:count], back, self._errors),
        ]

    def collect(self, batch: Batch, step: int) -> float:
        """See `Statistics`; the error is estimated from a tenth of the samples."""
        self._layers[0][: self._n] = batch.x.reshape(self._n, -1)
        run(self._inference)
        self._gibbs.run(step * self._gibbs_steps, self._gibbs_steps)
        run(self._error)
        for layer, states in zip(self._layers, self._chains, strict=True):
            layer[self._n :] = states
        return float(np.add.reduce(self._errors)) * self._scale

    def send(self) -> None:
        run(self._gradients)


class _Inference:
    """Mean field for ``n`` samples, and what it reconstructs."""

    def __init__(self, dbm: Dbm, n: int, steps: int) -> None:
        self._layers = [np.zeros((n, len(bias)), bias.dtype) for bias in dbm.biases]
        first, means = self._layers[0], self._layers[1:]
        back, self._errors = np.zeros_like(first), np.zeros(n)
        self._launches = [
            *mean_field.plan(first, dbm.weights, dbm.biases[1:], means, steps),
            *dense.forward_transposed.plan(means[0], dbm.weights[0], dbm.biases[0], SIGMOID, back),
            *sampling.squared_errors.plan(first, back, self._errors),
        ]

    def error(self, x: Array) -> float:
        """The sum of ½ Σ (v − v')² over the samples."""
        self._layers[0][...] = x.reshape(self._layers[0].shape)
        run(self._launches)
        return float(np.add.reduce(self._errors))
