"""A general Boltzmann machine with data in its visible units, in arrays that stay: a step plans nothing anew."""

import numpy as np

from dlcli.kernels import dense
from dlcli.kernels.activation import LINEAR, SIGMOID
from dlcli.kernels.constants import zeros
from dlcli.kernels.damping import approach
from dlcli.kernels.launch import Launch
from dlcli.kernels.sink import STORE
from dlcli.layers.base import Array
from dlcli.losses.sigmoid_cross_entropy import SigmoidCrossEntropy
from dlcli.pretrain.boltzmann.learner import run
from dlcli.pretrain.boltzmann.machine import Machine, Moments

LOSS = SigmoidCrossEntropy()


class Averages:
    """⟨s sᵀ⟩ and ⟨s⟩ over the rows of s (N, units), of states or of independent units' means."""

    def __init__(self, s: Array) -> None:
        samples, units = s.shape
        self._second, self._first = np.zeros((units, units), s.dtype), np.zeros((1, units), s.dtype)
        self._share, unused = s.dtype.type(1 / samples), zeros(s.dtype, 3)
        self._launches = [
            *dense.weight_gradient.plan(s, s, STORE, self._second, self._second, unused),
            *dense.weight_gradient.plan(np.ones((samples, 1), s.dtype), s, STORE, self._first, self._first, unused),
        ]

    def take(self) -> Moments:
        """Of s as it is now; the next call overwrites them."""
        run(self._launches)
        self._second *= self._share
        self._first *= self._share
        return Moments(self._second, self._first[0])


class Clamped:
    """``samples`` of the data in a machine's visible units, and what the hidden ones make of them.

    Parameters
    ----------
    of: the machine, float32, as it will be when the methods are called: its arrays may change, but not move.
    steps: how many times all hidden means move at once towards σ of their total inputs, after the first time.
    damping: share of a mean that stays: without it, units that drive each other may swing for ever.

    Attributes
    ----------
    s: (N, units): visible states, and behind them hidden means. v: (N, visible): the former alone.
    """

    def __init__(self, of: Machine, samples: int, steps: int, damping: float) -> None:
        dtype = of.bias.dtype
        self.s = np.zeros((samples, len(of.bias)), dtype)
        self.v = np.zeros((samples, of.visible), dtype)
        self._inputs, self._losses = np.zeros_like(self.v), np.zeros(samples)
        self._means = self.s[:, of.visible :]
        self._averages = Averages(self.s)
        self._inference = self._plan_inference(of, steps, damping) if of.hidden else []
        couplings, bias = of.couplings[: of.visible], of.bias[: of.visible]
        self._look = dense.forward_transposed.plan(self.s, couplings, bias, LINEAR, self._inputs)

    def _plan_inference(self, of: Machine, steps: int, damping: float) -> list[Launch]:
        asked = np.zeros((len(self.s), of.hidden), self.s.dtype)
        couplings, bias = of.couplings[of.visible :], of.bias[of.visible :]
        ask = dense.forward_transposed.plan(self.s, couplings, bias, SIGMOID, asked)
        step = [*ask, *approach.plan(self.s, asked, 1 - damping)]
        return [*ask, *approach.plan(self.s, asked, 1.0), *steps * step]

    def hold(self, x: Array) -> None:
        """The samples (N, …) become the visible states; hidden means are 0."""
        self.v[...] = x.reshape(self.v.shape)
        self.s[:, : self.v.shape[1]] = self.v
        self._means[...] = 0

    def mean_field(self) -> None:
        """The hidden units' means given the visible ones, from what these alone ask for; once after each `hold`."""
        run(self._inference)

    def believe(self, means: Array) -> None:
        """Take these for the hidden units' means (N, hidden)."""
        self._means[...] = means

    def moments(self) -> Moments:
        """Means over the samples; the next call overwrites them."""
        return self._averages.take()

    def cross_entropies(self) -> Array:
        """Each sample's, of every visible unit given all other units, (N,) float64; the next call overwrites them."""
        run(self._look)
        LOSS.evaluate(self._inputs, self.v, self._losses)
        return self._losses
