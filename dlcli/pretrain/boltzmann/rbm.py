"""A restricted Boltzmann machine: two sides of units, and the products that carry one side's states to the other."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from dlcli import random
from dlcli.kernels import dense, sampling
from dlcli.kernels.activation import LINEAR
from dlcli.kernels.launch import Launch
from dlcli.layers.base import Array
from dlcli.pretrain.units.base import Units
from dlcli.pretrain.units.binary import Binary


class Factors(NamedTuple):
    """What total inputs are multiplied by: 2 on the sides that a deep machine will have another layer on."""

    up: float = 1.0
    down: float = 1.0


ONCE = Factors()


@dataclass(frozen=True)
class Rbm:
    """Parameters and units; E(v, h) = −bᵀv − cᵀh − vᵀWh where both sides are binary (Smolensky 1986; Hinton 2002).

    weights: W (visible, hidden). visible_bias: b. hidden_bias: c. Arrays are used, and changed by others, in place.
    visible, hidden: kinds of units.
    labels: how many of the visible units, the last ones, are a group of class labels (Larochelle and Bengio 2008).
    log_variance: (visible,) of Gaussian visible units that learn it; None: all 1.
    factors: see `Factors`.
    """

    weights: Array
    visible_bias: Array
    hidden_bias: Array
    visible: Units
    hidden: Units
    labels: int = 0
    log_variance: Array | None = None
    factors: Factors = ONCE

    def up(self, key: int, time: Array, v: Array, mean: Array, states: Array | None) -> "Pass":
        """Plan the hidden units' means (N, hidden), and the last M samples' states (M, hidden) unless None, from v
        (N, visible)."""
        return Pass(self, True, key, time, v, mean, states)

    def down(self, key: int, time: Array, h: Array, mean: Array, states: Array | None) -> "Pass":
        """Plan the visible units' means (N, visible), and their states unless None, from h (N, hidden)."""
        return Pass(self, False, key, time, h, mean, states)


class Pass:
    """One side's means and states from the other's: a product with sampling in its store, where units allow.

    Class labels compete: their softmax takes the place of what the product's store made of their units.
    """

    def __init__(
        self, rbm: Rbm, upward: bool, key: int, time: Array, given: Array, mean: Array, states: Array | None
    ) -> None:
        self._rbm, self._upward, self._given = rbm, upward, given
        self._mean, self._states = mean, states
        self._bias = rbm.hidden_bias if upward else rbm.visible_bias
        self._factor = rbm.factors.up if upward else rbm.factors.down
        self._weights = rbm.weights if self._factor == 1 else np.empty_like(rbm.weights)
        self._scaled = np.empty_like(given) if upward and rbm.log_variance is not None else given
        self._deviation = np.ones_like(self._bias)
        self._launches = self._plan(rbm.hidden if upward else rbm.visible, key, time)
        labels = 0 if upward else rbm.labels
        self._labels = slice(len(rbm.weights) - labels, len(rbm.weights)) if labels else None
        if labels:
            self._label_mean, self._label_states = (np.empty((len(given), labels), mean.dtype) for _ in range(2))
            self._launches += self._plan_labels(key, time)

    def run(self) -> None:
        rbm = self._rbm
        if self._factor != 1:
            np.multiply(rbm.weights, self._weights.dtype.type(self._factor), out=self._weights)
        if rbm.log_variance is not None:
            if self._upward:
                np.multiply(self._given, np.exp(-rbm.log_variance), out=self._scaled)
            else:
                np.exp(rbm.log_variance * rbm.log_variance.dtype.type(0.5), out=self._deviation)
        for launch in self._launches:
            launch.run()
        if self._labels is not None:
            self._mean[:, self._labels] = self._label_mean
            if self._states is not None:
                self._states[:, self._labels] = self._label_states

    def _plan(self, units: Units, key: int, time: Array) -> list[Launch]:
        arguments = (self._scaled, self._weights, self._bias)
        if isinstance(units, Binary) and self._states is not None:
            drawn = dense.forward_drawn if self._upward else dense.forward_transposed_drawn
            return drawn.plan(*arguments, self._mean, key, time, self._states)
        product = dense.forward if self._upward else dense.forward_transposed
        launches = product.plan(*arguments, units.function, self._mean)
        if self._states is None:
            return [*launches, *units.means(self._mean)]
        rest = self._mean[: len(self._mean) - len(self._states)]
        own = self._mean[len(rest) :]
        others = units.means(rest) if len(rest) else []
        return [*launches, *others, *units.draw(own, self._deviation, self._states, key, time)]

    def _plan_labels(self, key: int, time: Array) -> list[Launch]:
        """Their total inputs, a product of its own, and their softmax; the key is another than the other units'."""
        weights, bias = self._weights[self._labels], self._bias[self._labels]
        count, mean, states = self._rbm.labels, self._label_mean, self._label_states
        return [
            *dense.forward_transposed.plan(self._given, weights, bias, LINEAR, mean),
            *sampling.softmax.plan(key ^ 1, time, count, mean, mean, states),
        ]


def gibbs_keys(seed: int, name: str) -> tuple[int, int]:
    """The keys of hidden and visible draws in the Gibbs chains of a machine."""
    return random.key(seed, "gibbs", name, "hidden"), random.key(seed, "gibbs", name, "visible")
