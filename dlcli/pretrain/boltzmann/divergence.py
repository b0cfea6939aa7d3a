"""Contrastive divergence: the likelihood's gradient with the model's statistics taken from short or persistent chains.

The gradient of −log p(v) by W is ⟨vh⟩_model − ⟨vh⟩_data. CD-k (Hinton 2002) runs k Gibbs steps from the data; PCD
(Tieleman 2008) goes on with chains of its own. Both kinds of statistics are one product here: data and chains stand in
one array of visible states, V, and one of hidden means, H, whose rows are weighed −1/N and +1/M; then Vᵀ H is the
gradient, and its tile's store applies eq. (4).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from dlcli.data.pipeline import Batch, BatchSource
from dlcli.kernels import dense, sampling
from dlcli.kernels.launch import Launch
from dlcli.layers.base import Array, ParameterSpec, Sink
from dlcli.optim.base import Optimiser
from dlcli.optim.schedules.base import Clock
from dlcli.pretrain.boltzmann.rbm import Pass, Rbm, gibbs_keys
from dlcli.training.objective import Objective, StepResult

SHARE = 10  # with persistent chains, one sample of so many is reconstructed for the log
Monitor = Callable[[BatchSource, int], dict[str, float]]


@dataclass(frozen=True)
class Chains:
    """How the model's statistics are taken.

    steps: Gibbs steps per update. persistent: how many chains go on from update to update; 0: they start at the data.
    sample_visible: whether visible states are drawn; otherwise their means stand for them.
    """

    steps: int = 1
    persistent: int = 0
    sample_visible: bool = True


@dataclass(frozen=True)
class Sparsity:
    """Draws each hidden unit's activity, averaged over time with ``decay``, to ``target`` (Hinton 2010, section 11)."""

    target: float
    weight: float
    decay: float


class ContrastiveDivergence(Objective):
    """An RBM, its chains and an optimiser.

    Parameters
    ----------
    rbm: its arrays are changed in place.
    names: the names of weights, hidden bias and visible bias, and of the log-variances, in a checkpoint.
    specs: of all of these, for the optimiser.
    monitor: what else `evaluate` gives.
    """

    def __init__(
        self,
        rbm: Rbm,
        names: "Names",
        specs: dict[str, ParameterSpec],
        optimiser: Optimiser,
        chains: Chains,
        *,
        seed: int,
        sparsity: Sparsity | None = None,
        monitor: Monitor | None = None,
    ) -> None:
        self._rbm, self._names, self._chains = rbm, names, chains
        self._sparsity, self._monitor = sparsity, monitor
        arrays = {names.weights: rbm.weights, names.hidden_bias: rbm.hidden_bias, names.visible_bias: rbm.visible_bias}
        if rbm.log_variance is not None:
            arrays[names.log_variance] = rbm.log_variance
        self._arrays = arrays
        self._updater = optimiser.updater(arrays, specs)
        self._keys = gibbs_keys(seed, names.node)
        self._time = np.zeros(1, np.int64)  # of the Gibbs step under way
        units = rbm.weights.shape[1]
        self._persistent = np.zeros((chains.persistent, units), rbm.weights.dtype)
        self._activity = np.full(units, sparsity.target if sparsity else 0, rbm.weights.dtype)
        self._buffers: dict[int, _Buffers] = {}

    @property
    def learning_rate(self) -> float:
        return self._updater.learning_rate

    def step(self, batch: Batch, clock: Clock) -> StepResult:
        n = len(batch.x)
        buffers = self._buffers.get(n)
        if buffers is None:
            buffers = self._buffers[n] = _Buffers(self, n)
        self._updater.begin(clock)
        buffers.take(batch)
        self._time[0] = clock.step * (1 + self._chains.steps)
        buffers.positive.run()
        for down, up in buffers.chain:
            self._time[0] += 1
            down.run()
            up.run()
        loss = buffers.reconstruction_error()
        if math.isfinite(loss):
            self._learn(buffers)
        return StepResult(loss, None)

    def _learn(self, buffers: "_Buffers") -> None:
        if self._sparsity is not None:
            buffers.draw_to(self._sparsity, self._activity)
        if self._rbm.log_variance is not None:
            buffers.scale()
            buffers.send_variance_gradient(self.sink(self._names.log_variance))
        for launch in buffers.gradients:
            launch.run()
        self._updater.finish()

    def sink(self, name: str) -> Sink:
        return self._updater.sinks[name]

    def evaluate(self, source: BatchSource, batch_size: int) -> dict[str, float]:
        """``loss``, ½ Σ_i (v_i − v'_i)² of the mean-field reconstruction, and what the monitor gives."""
        total = 0.0
        for batch in source.iterate(batch_size):
            total += self._evaluation(len(batch.x)).error(batch)
        found = {"loss": total / len(source)}
        return found | (self._monitor(source, batch_size) if self._monitor else {})

    def _evaluation(self, n: int) -> "_Reconstruction":
        found = self._reconstructions.get(n)
        if found is None:
            found = self._reconstructions[n] = _Reconstruction(self._rbm, n)
        return found

    @cached_property
    def _reconstructions(self) -> dict[int, "_Reconstruction"]:
        return {}

    def tensors(self) -> dict[str, Array]:
        own = self._arrays | self._updater.state
        if self._chains.persistent:
            own = own | {f"{self._names.prefix}/chains": self._persistent}
        return own | ({f"{self._names.prefix}/activity": self._activity} if self._sparsity else {})

    def kept(self) -> dict[str, Array]:
        """The whole machine: later stages change the network's weights, which are its own no more then."""
        rbm, prefix = self._rbm, self._names.prefix
        found = {"weights": rbm.weights, "bias": rbm.hidden_bias, "visible_bias": rbm.visible_bias}
        if rbm.log_variance is not None:
            found["log_variance"] = rbm.log_variance
        return {f"{prefix}/{name}": array.copy() for name, array in found.items()}

    def notes(self) -> dict[str, Any]:
        """The kinds of both sides' units, which may have been chosen by the data."""
        rbm = self._rbm
        units = {"visible": rbm.visible.model_dump(mode="json"), "hidden": rbm.hidden.model_dump(mode="json")}
        return {self._names.node: units}

    def first_bad_layer(self) -> str:
        return self._names.node


@dataclass(frozen=True)
class Names:
    """The names of an RBM's arrays in a checkpoint; ``node`` is its layer, ``prefix`` that of arrays of its own.

    ``owned``: whether the visible biases are the layer's.
    """

    node: str
    owned: bool = False

    @property
    def visible_bias(self) -> str:
        return f"{self.node if self.owned else self.prefix}/visible_bias"

    @property
    def prefix(self) -> str:
        return f"{self.node}.rbm"

    @property
    def weights(self) -> str:
        return f"{self.node}/weights"

    @property
    def hidden_bias(self) -> str:
        return f"{self.node}/bias"

    @property
    def log_variance(self) -> str:
        return f"{self.prefix}/log_variance"


class _Buffers:
    """All that a step on ``n`` samples writes, and the launches that write it.

    ``v`` (n + m, visible) holds the data and then the chains' visible states; ``h`` (n + m, hidden) the means.
    """

    def __init__(self, owner: ContrastiveDivergence, n: int) -> None:
        rbm, chains = owner._rbm, owner._chains
        m = chains.persistent or n
        visible, hidden = rbm.weights.shape
        dtype, (up_key, down_key), time = rbm.weights.dtype, owner._keys, owner._time
        self._rbm, self.split = rbm, (n, m)
        self.v, self.h = np.zeros((n + m, visible), dtype), np.zeros((n + m, hidden), dtype)
        self._means = np.zeros((m, visible), dtype) if chains.sample_visible else self.v[n:]
        self._errors = np.zeros(n)
        states = owner._persistent if chains.persistent else np.zeros((n, hidden), dtype)
        drawn = None if chains.persistent else states
        self.positive = rbm.up(up_key, time, self.v[:n], self.h[:n], drawn)
        self.chain: list[tuple[Pass, Pass]] = []
        for step in range(chains.steps):
            last = step == chains.steps - 1 and not chains.persistent
            down = rbm.down(down_key, time, states, self._means, self.v[n:] if chains.sample_visible else None)
            up = rbm.up(up_key, time, self.v[n:], self.h[n:], None if last else states)
            self.chain.append((down, up))
        self._plan_errors(chains)
        self.gradients = self._plan_gradients(owner)

    def _plan_errors(self, chains: Chains) -> None:
        """The first step's means are the reconstruction of the data, unless chains go on from elsewhere."""
        n, _ = self.split
        self._first: Pass | None = None
        if chains.persistent or chains.steps > 1:
            count = max(1, n // SHARE)
            means = np.zeros((count, self.v.shape[1]), self.v.dtype)
            self._first = self._rbm.down(0, np.zeros(1, np.int64), self.h[:count], means, None)
        else:
            count, means = n, self._means
        self._scale = n / count
        self._count = count
        self._error = sampling.squared_errors.plan(self.v[:count], means, self._errors[:count])

    def _plan_gradients(self, owner: ContrastiveDivergence) -> list[Launch]:
        (n, m), names = self.split, owner._names
        weights = np.concatenate([np.full(n, -1 / n), np.full(m, 1 / m)]).astype(self.v.dtype)[:, None]
        self._weights = weights
        launches = sampling.weigh.plan(self.h, n, -1 / n, 1 / m)
        self._scaled = self.v if owner._rbm.log_variance is None else np.empty_like(self.v)
        launches += dense.weight_gradient.plan(weights, self._scaled, *_as_row(owner.sink(names.visible_bias)))
        launches += dense.column_sums.plan(self.h, *owner.sink(names.hidden_bias))
        return [*launches, *dense.weight_gradient.plan(self._scaled, self.h, *owner.sink(names.weights))]

    def take(self, batch: Batch) -> None:
        """Copy the mini-batch to its place, with its classes as one of the label units each."""
        n, labels = len(batch.x), self._rbm.labels
        with_classes(batch, self.v[:n], labels)

    def reconstruction_error(self) -> float:
        """The sum over the batch of ½ Σ_i (v_i − v'_i)²; estimated from a tenth of it where it costs a product."""
        if self._first is not None:
            self._first.run()
        for launch in self._error:
            launch.run()
        return float(np.add.reduce(self._errors[: self._count])) * self._scale

    def draw_to(self, sparsity: Sparsity, activity: Array) -> None:
        """Add the sparsity's gradient to the data's hidden means: weight · (q − target) by each total input."""
        n, _ = self.split
        mean = self.h[:n].mean(axis=0)
        activity *= activity.dtype.type(sparsity.decay)
        activity += activity.dtype.type(1 - sparsity.decay) * mean
        self.h[:n] -= activity.dtype.type(sparsity.weight) * (activity - activity.dtype.type(sparsity.target))

    def scale(self) -> None:
        """What the gradients take for visible states: v_i / σ_i²."""
        assert self._rbm.log_variance is not None  # noqa: S101
        np.multiply(self.v, np.exp(-self._rbm.log_variance), out=self._scaled)

    def send_variance_gradient(self, sink: Sink) -> None:
        """∂(−log p) / ∂z_i with z = log σ² (Cho et al. 2011, eq. 6): −⟨t⟩_data + ⟨t⟩_model for
        t = (½ (v_i − b_i)² − v_i Σ_j w_ij h_j) / σ_i²."""
        rbm = self._rbm
        assert rbm.log_variance is not None  # noqa: S101
        inner = np.zeros_like(self.v)
        rbm.down(0, np.zeros(1, np.int64), self.h, inner, None).run()
        terms = 0.5 * (self.v - rbm.visible_bias) ** 2 - self.v * (inner - rbm.visible_bias)
        terms = np.ascontiguousarray(terms * np.exp(-rbm.log_variance), self.v.dtype)
        dense.weight_gradient(self._weights, terms, *_as_row(sink))


class _Reconstruction:
    """Mean-field up and down for ``n`` samples."""

    def __init__(self, rbm: Rbm, n: int) -> None:
        visible, hidden = rbm.weights.shape
        dtype, time = rbm.weights.dtype, np.zeros(1, np.int64)
        self._labels = rbm.labels
        self._v, self._means = np.zeros((n, visible), dtype), np.zeros((n, visible), dtype)
        h = np.zeros((n, hidden), dtype)
        self._errors = np.zeros(n)
        self._passes = rbm.up(0, time, self._v, h, None), rbm.down(0, time, h, self._means, None)
        self._error = sampling.squared_errors.plan(self._v, self._means, self._errors)

    def error(self, batch: Batch) -> float:
        """The sum of ½ Σ_i (v_i − v'_i)² over the samples."""
        with_classes(batch, self._v, self._labels)
        for each in self._passes:
            each.run()
        for launch in self._error:
            launch.run()
        return float(np.add.reduce(self._errors))


def with_classes(batch: Batch, v: Array, labels: int) -> None:
    """v (N, visible) ← the samples, flat, and behind them, if there are ``labels``, their classes one-hot."""
    n, size = len(batch.x), v.shape[1] - labels
    v[:, :size] = batch.x.reshape(n, size)
    if labels:
        v[:, size:] = 0
        v[np.arange(n), size + batch.y] = 1


def _as_row(sink: Sink) -> Sink:
    """A sink of (units,) as one of (1, units)."""
    return sink._replace(target=sink.target.reshape(1, -1), velocity=sink.velocity.reshape(1, -1))
