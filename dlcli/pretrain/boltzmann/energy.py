"""Energies and free energies of restricted Boltzmann machines, in float64 and stable for sums of any size.

A binary RBM has p(v, h) = e^{−E(v, h)} / Z with (G. Hinton, "A practical guide to training restricted Boltzmann
machines", 2010, eqs. 1 and 2)

    E(v, h) = −bᵀv − cᵀh − vᵀWh

and the free energy F(v) = −log Σ_h e^{−E(v, h)} = −bᵀv − Σ_j softplus(c_j + Σ_i v_i W_ij). Gaussian visible units come
in several conventions; here as in K. Cho, A. Ilin, T. Raiko, "Improved learning of Gaussian-Bernoulli restricted
Boltzmann machines" (2011), eq. (2):

    E(v, h) = Σ_i (v_i − b_i)² / 2σ_i² − cᵀh − Σ_ij v_i W_ij h_j / σ_i²

so that the mean of v_i is b_i + Σ_j W_ij h_j, whatever its variance σ_i² (Krizhevsky's form has v_i / σ_i there and
W_ij σ_i here). Class labels y are a group of one-of-K units with weights U and biases d, which adds −d_y − U_yᵀh
(Hinton, Osindero and Teh, "A fast learning algorithm for deep belief nets", 2006).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from dlcli.kernels import draws
from dlcli.layers.base import Array
from dlcli.pretrain.boltzmann.products import product, times
from dlcli.random import key

PIECE = 4 << 20  # bytes of what is worked on at a time
FACTORS = 512  # up to 2 each: half of what float64 can hold


@dataclass(frozen=True)
class Parameters:
    """An RBM's parameters, taken to float64.

    weights: W (visible, hidden). visible_bias: b (visible,). hidden_bias: c (hidden,). variances: σ² (visible,) of
    Gaussian visible units, None where they are binary. label_weights: U (classes, hidden) and label_bias: d (classes,),
    None where there are no labels.
    """

    weights: Array
    visible_bias: Array
    hidden_bias: Array
    variances: Array | None = None
    label_weights: Array | None = None
    label_bias: Array | None = None

    def __post_init__(self) -> None:
        for name, array in vars(self).items():
            if array is not None:
                object.__setattr__(self, name, np.asarray(array, np.float64))

    @property
    def visible(self) -> int:
        """Number of visible units, labels not counted."""
        return len(self.visible_bias)

    @property
    def hidden(self) -> int:
        """Number of hidden units."""
        return len(self.hidden_bias)

    def swapped(self) -> "Parameters":
        """The same machine of binary units, seen from its other side: hidden units are visible and v.v."""
        if self.variances is not None or self.label_weights is not None:
            raise ValueError("found Gaussian units or labels, expected an RBM of binary units")
        return Parameters(self.weights.T, self.hidden_bias, self.visible_bias)

    def activations(self, v: Array) -> Array:
        """(N, hidden): c + Σ_i v_i W_ij, with v_i / σ_i² of Gaussian units, for v (N, visible)."""
        v = np.asarray(v, np.float64)
        return product(v if self.variances is None else v / self.variances, self.weights, self.hidden_bias)

    def visible_term(self, v: Array) -> Array:
        """(N,): what the visible units alone add to the energy of v (N, visible)."""
        v = np.asarray(v, np.float64)
        if self.variances is None:
            term: Array = -times(v, self.visible_bias)
        else:
            term = np.sum((v - self.visible_bias) ** 2 / (2 * self.variances), axis=1)
        return term


def softplus(x: Array) -> Array:
    """log(1 + e^x)."""
    return np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(x)))


def softplus_sum(x: Array) -> Array:
    """Σ_j log(1 + e^{x_j}) of every row, (N,), for x (N, units), with few logarithms.

    log(1 + e^x) = max(x, 0) + log(1 + e^{−|x|}), and the product of `FACTORS` numbers from 1 to 2 is a number.
    """
    factors = 1.0 + np.exp(-np.abs(x))
    products = np.multiply.reduceat(factors, np.arange(0, x.shape[1], FACTORS), axis=1)
    result: Array = np.maximum(x, 0.0).sum(axis=1) + np.log(products).sum(axis=1)
    return result


def sigmoid(x: Array) -> Array:
    """1 / (1 + e^{−x})."""
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1.0, small) / (1.0 + small)


def log_sum_exp(x: Array, axis: int | None = None, work: Array | None = None) -> Array:
    """log Σ e^x along an axis, or over all; ``work``, of the shape of x, is overwritten."""
    top = np.max(x, axis=axis, keepdims=True)
    top = np.where(np.isfinite(top), top, 0.0)
    terms = np.subtract(x, top, out=work)
    result: Array = np.log(np.sum(np.exp(terms, out=terms), axis=axis)) + np.squeeze(top, axis=axis)
    return result


def pieces(rows: int, values: int) -> Iterator[slice]:
    """Slices of ``rows``, each of no more than `PIECE` bytes where a row needs so many float64 ``values``."""
    size = max(1, PIECE // (8 * max(values, 1)))
    for start in range(0, rows, size):
        yield slice(start, min(start + size, rows))


def free_energy(of: Parameters, v: Array) -> Array:
    """F(v), (N,), for v (N, visible); labels, where there are any, are left out."""
    result = np.empty(len(v))
    for rows in pieces(len(v), of.visible + 4 * of.hidden):
        result[rows] = of.visible_term(v[rows]) - softplus_sum(of.activations(v[rows]))
    return result


def label_free_energies(of: Parameters, v: Array) -> Array:
    """F(v, y) = F with c + U_y for c, − d_y, for every class y: (N, classes) for v (N, visible).

    The posterior of the class is their negative's softmax, since p(y | v) ∝ e^{−F(v, y)}.
    """
    if of.label_weights is None or of.label_bias is None:
        raise ValueError("the RBM has no labels")
    result = np.empty((len(v), len(of.label_bias)))
    for rows in pieces(len(v), of.visible + 4 * of.label_weights.size):
        sums = of.activations(v[rows])[:, None, :] + of.label_weights
        result[rows] = of.visible_term(v[rows])[:, None] - of.label_bias - softplus(sums).sum(axis=2)
    return result


def estimated_pseudo_log_likelihood(of: Parameters, v: Array, bits: Array) -> Array:
    """D · log σ(F(v with one bit flipped) − F(v)), (N,): an unbiased estimate of the pseudo-log-likelihood of binary v,
    Σ_i log p(v_i | all other v).

    ``bits`` (N,) int64 are the bits' indices, each of the D = visible ones with the same chance (see `chosen_bits`).
    As in the RBM of DeepLearningTutorials, but that it flips the same bit of all samples, and a next one in every
    batch. A v between 0 and 1 counts as the nearer of them, as it does there.
    """
    result = np.empty(len(v))
    for rows in pieces(len(v), of.visible + 5 * of.hidden):
        x, flipped = np.rint(np.asarray(v[rows], np.float64)), bits[rows]
        own = x[np.arange(len(x)), flipped]
        result[rows] = of.visible * _log_conditional(of, own, of.activations(x), flipped)
    return result


def chosen_bits(visible: int, seed: int, epoch: int, samples: Array) -> Array:
    """(N,) int64 from 0 to ``visible`` − 1: a function of the seed, the epoch and the sample's index alone.

    ``samples``: (N,) int64, indices in the data set.
    """
    uniform = np.empty((len(samples), 1))
    draws.uniform(key(seed, "pseudo-likelihood"), epoch, np.ascontiguousarray(samples, np.int64), uniform)
    return (uniform[:, 0] * visible).astype(np.int64)


def _log_conditional(of: Parameters, own: Array, sums: Array, bits: Array) -> Array:
    """log p(v_i | all other v), (N,): ``own`` (N,) are the v_i, ``bits`` their indices, ``sums`` the `activations`."""
    if of.variances is not None:
        raise ValueError("found Gaussian visible units, expected binary ones: theirs cannot be flipped")
    change = (1 - 2 * own)[:, None] * of.weights[bits]
    gap = -(1 - 2 * own) * of.visible_bias[bits] - softplus_sum(sums + change) + softplus_sum(sums)
    return -softplus(-gap)
