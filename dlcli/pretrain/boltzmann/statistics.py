"""The statistics of a restricted Boltzmann machine: of the data, and of chains that start there or go on."""

from dataclasses import dataclass

import numpy as np

from dlcli.data.pipeline import Batch
from dlcli.kernels import sampling
from dlcli.kernels.launch import Launch, begins
from dlcli.layers.base import Array, Sink
from dlcli.pretrain.boltzmann.learner import SHARE, Statistics, contrast, run
from dlcli.pretrain.boltzmann.rbm import Pass, Rbm


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


@dataclass(frozen=True)
class Sinks:
    """Where the gradients of an RBM's parameters go."""

    weights: Sink
    hidden_bias: Sink
    visible_bias: Sink
    log_variance: Sink | None = None


@dataclass(frozen=True)
class Lasting:
    """What lasts from step to step.

    states: (chains, hidden) of persistent chains. activity: (hidden,) that sparsity averages. time: (1,) int64, the
    Gibbs step under way. keys: of hidden and of visible draws.
    """

    states: Array
    activity: Array
    time: Array
    keys: tuple[int, int]


class RbmStatistics(Statistics):
    """Data and chains side by side: ``v`` (n + m, visible) holds the data and then the chains' visible states, ``h``
    (n + m, hidden) the hidden means."""

    def __init__(
        self, rbm: Rbm, n: int, chains: Chains, lasting: Lasting, sinks: Sinks, sparsity: Sparsity | None
    ) -> None:
        self._rbm, self._n, self._chains, self._lasting = rbm, n, chains, lasting
        self._sparsity = sparsity
        visible, hidden = rbm.weights.shape
        rows, dtype = n + (chains.persistent or n), rbm.weights.dtype
        self.v, self.h = np.zeros((rows, visible), dtype), np.zeros((rows, hidden), dtype)
        self._scaled = self.v if rbm.log_variance is None else np.zeros_like(self.v)
        self._terms = np.zeros_like(self.v) if rbm.log_variance is not None else self.v  # of the variances' gradient
        self._pull = np.zeros(hidden, dtype)  # of sparsity on each unit
        self._pulls = sampling.add_to_rows.plan(self.h[:n], self._pull)
        self._plan_chains()
        self._plan_errors()
        self._variance = self._plan_variance(sinks.log_variance) if sinks.log_variance is not None else None
        self._gradients = [
            *sampling.contrast_columns.plan(self._scaled, n, *sinks.visible_bias),
            *contrast(self._scaled, self.h, n, sinks.weights, sinks.hidden_bias),
        ]

    def _plan_chains(self) -> None:
        """Passes in their order. The hidden means of the data and of persistent chains' last states are one product."""
        rbm, n, chains, time = self._rbm, self._n, self._chains, self._lasting.time
        up_key, down_key = self._lasting.keys
        v, h = self.v[n:], self.h[n:]
        states = self._lasting.states if chains.persistent else np.zeros_like(h)
        self._positive = None if chains.persistent else rbm.up(up_key, time, self.v[:n], self.h[:n], states)
        self._means = np.zeros_like(v) if chains.sample_visible else v
        self._steps: list[tuple[Pass, Pass]] = []
        for step in range(chains.steps):
            down = rbm.down(down_key, time, states, self._means, v if chains.sample_visible else None)
            if step < chains.steps - 1:
                up = rbm.up(up_key, time, v, h, states)
            elif chains.persistent:
                up = rbm.up(up_key, time, self.v, self.h, states)
            else:
                up = rbm.up(up_key, time, v, h, None)
            self._steps.append((down, up))

    def _plan_errors(self) -> None:
        """The only step's means are the reconstruction of the data, where chains start there."""
        n = self._n
        self._back: Pass | None = None
        count, means = n, self._means
        if self._chains.persistent or self._chains.steps > 1:
            count = max(1, n // SHARE)
            means = np.zeros((count, self.v.shape[1]), self.v.dtype)
            self._back = self._rbm.down(0, np.zeros(1, np.int64), self.h[:count], means, None)
        self._errors, self._scale = np.zeros(count), n / count
        self._error = sampling.squared_errors.plan(self.v[:count], means, self._errors)

    def room(self) -> Array | None:
        return None if self._rbm.labels else self.v[: self._n]

    def collect(self, batch: Batch, step: int) -> float:
        """See `Statistics`; the error is estimated from a tenth of the batch where it costs a product."""
        time = self._lasting.time
        with_classes(batch, self.v[: self._n], self._rbm.labels)
        time[0] = step * (1 + self._chains.steps)
        if self._positive is not None:
            self._positive.run()
        for down, up in self._steps:
            time[0] += 1
            down.run()
            up.run()
        if self._back is not None:
            self._back.run()
        run(self._error)
        return float(np.add.reduce(self._errors)) * self._scale

    def send(self) -> None:
        if self._sparsity is not None:
            self._draw_to(self._sparsity, self._lasting.activity)
        if self._variance is not None:
            self._send_variance_gradient(*self._variance)
        run(self._gradients)

    def _draw_to(self, sparsity: Sparsity, activity: Array) -> None:
        """Take the sparsity's gradient, weight · (q − target) by each total input, from the data's hidden means."""
        real = activity.dtype.type
        activity *= real(sparsity.decay)
        activity += real(1 - sparsity.decay) * self.h[: self._n].mean(axis=0)
        self._pull[...] = real(sparsity.weight) * (real(sparsity.target) - activity)
        run(self._pulls)

    def _plan_variance(self, sink: Sink) -> tuple[Pass, list[Launch]]:
        inner = self._rbm.down(0, np.zeros(1, np.int64), self.h, self._terms, None)  # b + W h
        return inner, sampling.contrast_columns.plan(self._terms, self._n, *sink)

    def _send_variance_gradient(self, inner: Pass, sums: list[Launch]) -> None:
        """∂(−log p) / ∂z_i with z = log σ² (Cho et al. 2011, eq. 6): −⟨t⟩_data + ⟨t⟩_model for
        t = (½ (v_i − b_i)² − v_i Σ_j w_ij h_j) / σ_i²."""
        rbm, v, terms = self._rbm, self.v, self._terms
        assert rbm.log_variance is not None  # noqa: S101
        precision = np.exp(-rbm.log_variance)
        np.multiply(v, precision, out=self._scaled)
        inner.run()
        terms[...] = (0.5 * (v - rbm.visible_bias) ** 2 - v * (terms - rbm.visible_bias)) * precision
        run(sums)


class Reconstruction:
    """Mean-field up and down for ``n`` samples."""

    def __init__(self, rbm: Rbm, n: int) -> None:
        visible, hidden = rbm.weights.shape
        dtype, time = rbm.weights.dtype, np.zeros(1, np.int64)
        self._labels = rbm.labels
        self._v, means = np.zeros((n, visible), dtype), np.zeros((n, visible), dtype)
        h = np.zeros((n, hidden), dtype)
        self._errors = np.zeros(n)
        self._passes = rbm.up(0, time, self._v, h, None), rbm.down(0, time, h, means, None)
        self._error = sampling.squared_errors.plan(self._v, means, self._errors)

    def error(self, batch: Batch) -> float:
        """The sum of ½ Σ_i (v_i − v'_i)² over the samples."""
        with_classes(batch, self._v, self._labels)
        for each in self._passes:
            each.run()
        run(self._error)
        return float(np.add.reduce(self._errors))


def with_classes(batch: Batch, v: Array, labels: int) -> None:
    """v (N, visible) ← the samples, flat, and behind them, if there are ``labels``, their classes one-hot."""
    n, size = len(batch.x), v.shape[1] - labels
    if labels or not begins(v, batch.x):
        v[:, :size] = batch.x.reshape(n, size)
    for label in range(labels):
        np.equal(batch.y, label, out=v[:, size + label])
