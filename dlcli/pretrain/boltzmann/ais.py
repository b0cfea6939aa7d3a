"""Annealed importance sampling: an estimate of a binary RBM's partition function.

R. Salakhutdinov, I. Murray, "On the quantitative analysis of deep belief networks" (2008), section 3. Chains start at
an RBM without weights, whose visible biases a are those of the data, and come by many small steps to the one in
question; the distribution at β, from 0 to 1, is

    p*_β(v) = e^{(1−β) aᵀv + β bᵀv} Π_j (1 + e^{β (c_j + Σ_i v_i W_ij)})

A chain's weight, the product of the ratios p*_β'(v) / p*_β(v) along its way, has the mean Z / Z_0. Labels, a group of
which one is on, are visible units as well, without a bias at first, and drawn from the softmax of their total inputs.
A deep Boltzmann machine's odd and even layers are the two sides of one RBM
(`dlcli.pretrain.boltzmann.dbm_bound.bipartite`), which is what Salakhutdinov and Hinton, "Deep Boltzmann machines"
(2009), section 3.1, run it on.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from dlcli.kernels import dense
from dlcli.kernels.activation import LINEAR
from dlcli.kernels.constants import zeros
from dlcli.kernels.launch import Launch
from dlcli.layers.base import Array
from dlcli.pretrain.boltzmann.energy import Parameters, log_sum_exp, pieces, sigmoid, softplus, softplus_sum
from dlcli.pretrain.boltzmann.products import times
from dlcli.random import generator

KNOTS = ((0, 0.0), (500, 0.5), (4500, 0.9), (14500, 1.0))  # steps and β of the paper's section 5


@dataclass(frozen=True)
class Estimate:
    """What the chains found.

    log_z: the estimate of log Z. low, high: log(Ẑ ∓ 3σ), σ being the standard error of Ẑ over the chains; low is −∞
    where 3σ exceeds Ẑ. effective_chains: (Σ w)² / Σ w² of the chains' weights w; few of many means that a few chains
    decide, and that neither the estimate nor σ is to be trusted.
    """

    log_z: float
    low: float
    high: float
    effective_chains: float
    chains: int


def graded(steps: int) -> Array:
    """(steps + 1,): β from 0 to 1, denser towards 1 in the paper's proportions."""
    places, values = np.array(KNOTS).T
    result: Array = np.interp(np.linspace(0, places[-1], steps + 1), places, values)
    return result


def base_rates(v: Array) -> Array:
    """(visible,): the biases of independent units with the means of v (N, visible); see `biases_of`."""
    return biases_of(np.asarray(v, np.float64).sum(axis=0), len(v))


def biases_of(counts: Array, samples: int) -> Array:
    """The same from the sums (visible,) over all samples, to which half a 0 and half a 1 are added: none is certain."""
    mean = (counts + 0.5) / (samples + 1)
    result: Array = np.log(mean) - np.log1p(-mean)
    return result


def estimate_log_partition(
    of: Parameters, base: Array | None = None, *, betas: Array, chains: int = 100, seed: int = 0
) -> Estimate:
    """Estimate log Z of a binary RBM, with labels or without.

    Parameters
    ----------
    of: the RBM.
    base: a (visible,), without labels, see `base_rates`; by default 0.
    betas: from 0 to 1, not decreasing (`graded`). The more, the smaller σ.
    chains: how many; they run side by side, a few MB of them at a time.
    seed: of their random numbers, which depend on nothing else.

    Raises
    ------
    ValueError: the RBM has Gaussian units; there are less than two chains; or the betas are not as said.
    """
    if of.variances is not None:
        raise ValueError("found Gaussian units, expected an RBM of binary units")
    if chains < 2:
        raise ValueError(f"found {chains} chains, expected 2 or more: their spread is the estimate's error")
    if len(betas) < 2 or betas[0] != 0 or betas[-1] != 1 or np.any(np.diff(betas) < 0):
        raise ValueError("found other betas than expected: from 0 to 1, not decreasing")
    base = np.zeros(of.visible) if base is None else np.asarray(base, np.float64)
    start = of.hidden * math.log(2) + float(softplus(base).sum())  # log Z_0
    labels = 0 if of.label_bias is None else len(of.label_bias)
    if of.label_weights is not None and of.label_bias is not None:
        weights = np.concatenate([of.weights, of.label_weights])
        of = Parameters(weights, np.concatenate([of.visible_bias, of.label_bias]), of.hidden_bias)
        base, start = np.append(base, np.zeros(labels)), start + math.log(labels)
    log_weights = np.concatenate([
        _log_weights(of, base, labels, betas, rows.stop - rows.start, generator(seed, "annealing", rows.start))
        for rows in pieces(chains, 4 * (of.visible + of.hidden))
    ])  # fmt: skip
    return _estimate(log_weights, start)


def _log_weights(
    of: Parameters, base: Array, labels: int, betas: Array, chains: int, rng: np.random.Generator
) -> Array:
    """log w of every chain, (chains,); the last ``labels`` visible units are a group of which one is on.

    Products are of float32: their errors are far below the estimate's.
    """
    total, weights = np.zeros(chains), np.ascontiguousarray(of.weights, np.float32)
    v, up = np.empty((chains, of.visible), np.float32), np.empty((chains, of.hidden), np.float32)
    h, down = np.empty_like(up), np.empty_like(v)
    _draw(v, np.broadcast_to(base, v.shape), labels, rng)
    rise = dense.forward.plan(v, weights, zeros(v.dtype, of.hidden), LINEAR, up)
    fall = dense.input_gradient.plan(h, weights, down)
    for before, after in pairwise(betas.tolist()):
        _run(rise)
        sums = of.hidden_bias + up
        total += (after - before) * times(v, of.visible_bias - base)
        total += softplus_sum(after * sums) - softplus_sum(before * sums)
        h[...] = rng.random(h.shape) < sigmoid(after * sums)
        _run(fall)
        _draw(v, (1 - after) * base + after * (of.visible_bias + down), labels, rng)
    return total


def _draw(v: Array, inputs: Array, labels: int, rng: np.random.Generator) -> None:
    """Visible states v (chains, visible) given total inputs of the same shape."""
    v[...] = rng.random(v.shape) < sigmoid(inputs)
    if labels:
        own = inputs[:, -labels:]
        reached = np.cumsum(np.exp(own - own.max(axis=1, keepdims=True)), axis=1)
        chosen = np.argmax(reached > rng.random((len(v), 1)) * reached[:, -1:], axis=1)
        v[:, -labels:] = np.arange(labels) == chosen[:, None]


def _run(launches: Sequence[Launch]) -> None:
    for launch in launches:
        launch.run()


def _estimate(log_weights: Array, start: float) -> Estimate:
    chains, top = len(log_weights), float(log_weights.max())
    weights = np.exp(log_weights - top)
    mean, error = float(weights.mean()), float(weights.std(ddof=1)) / math.sqrt(chains)
    return Estimate(
        log_z=start + float(log_sum_exp(log_weights)) - math.log(chains),
        low=start + top + math.log(mean - 3 * error) if mean > 3 * error else -math.inf,
        high=start + top + math.log(mean + 3 * error),
        effective_chains=float(weights.sum() ** 2 / np.sum(weights**2)),
        chains=chains,
    )
