"""Deep Boltzmann machines: mean field, the bound on the likelihood that it gives, and their two sides.

R. Salakhutdinov, G. Hinton, "Deep Boltzmann machines" (2009): layers h_0 = v, h_1, …, h_L of binary units, and

    E(h) = −Σ_l b_lᵀ h_l − Σ_l h_lᵀ W_l h_{l+1}

For units q that are independent given v, with means μ, log p(v) is no less than

    −⟨E⟩_q + H(q) − log Z = Σ_l b_lᵀ μ_l + Σ_l μ_lᵀ W_l μ_{l+1} + Σ H(μ) − log Z,    μ_0 = v

and each layer's μ_l = σ(b_l + μ_{l−1} W_l−1 + W_l μ_{l+1}) makes it largest while the others stay.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from dlcli.layers.base import Array
from dlcli.pretrain.boltzmann.dbm import Dbm
from dlcli.pretrain.boltzmann.energy import Parameters, sigmoid
from dlcli.pretrain.boltzmann.products import product, product_transposed, times


def bipartite(of: Dbm) -> Parameters:
    """The same machine as one RBM: the layers 1, 3, … on its visible side, the layers 0, 2, … on its hidden one.

    So with two hidden layers it is h_1 whose states are visited, or go through the annealing, the sums over v and h_2
    being done.
    """
    odd, even = range(1, len(of.biases), 2), range(0, len(of.biases), 2)
    blocks = [[_between(of, upper, lower) for lower in even] for upper in odd]
    sides = [np.concatenate([of.biases[layer] for layer in side]) for side in (odd, even)]
    return Parameters(np.block(blocks), *sides)


@dataclass(frozen=True)
class MeanField:
    """The means μ_l (N, units) of the hidden layers, the lowest first, given v.

    ``residual`` is the largest difference between a mean and what the others ask of it: 0 at a fixed point.
    """

    means: tuple[Array, ...]
    residual: float


def mean_field(of: Dbm, v: Array, steps: int, tolerance: float = 0.0) -> MeanField:
    """Mean field given v (N, visible): so many steps, fewer where the residual falls to the tolerance before."""
    return deque(iterates(of, v, steps, tolerance), maxlen=1).pop()


def iterates(of: Dbm, v: Array, steps: int, tolerance: float = 0.0) -> Iterator[MeanField]:
    """Mean field before the first step, and after each.

    It starts with a pass upwards in which every layer but the last has its input doubled, for the one that it does not
    have from above yet. A step is two half-steps, of the odd layers and of the even ones: layers of the same half do
    not depend on each other, so that each half-step can only raise the bound.
    """
    of = Dbm(*(tuple(np.asarray(array, np.float64) for array in arrays) for arrays in (of.weights, of.biases)))
    means = [np.asarray(v, np.float64)]
    last = len(of.weights) - 1
    for place, weights in enumerate(of.weights):
        inputs = product(means[-1], weights)
        means.append(sigmoid(of.biases[place + 1] + (1 if place == last else 2) * inputs))
    found = _measured(of, means)
    yield found
    for _ in range(steps):
        if found.residual <= tolerance:
            return
        for half in (1, 2):
            for layer in range(half, len(means), 2):
                means[layer] = _asked(of, means, layer)
        found = _measured(of, means)
        yield found


def bound(of: Dbm, v: Array, found: MeanField, log_z: float) -> Array:
    """The bound on log p(v), (N,), that these means give; log Z as it is, or as it has been estimated."""
    means = [np.asarray(v, np.float64), *found.means]
    total = np.sum([times(mean, bias) for mean, bias in zip(means, of.biases, strict=True)], axis=0)
    for weights, below, above in zip(of.weights, means[:-1], means[1:], strict=True):
        total += np.sum(product(below, weights) * above, axis=1)
    result: Array = total + sum(_entropy(mean) for mean in means[1:]) - log_z
    return result


def _between(of: Dbm, odd: int, even: int) -> Array:
    """The weights between two layers, (units of the odd one, units of the even one)."""
    if odd == even + 1:
        return of.weights[even].T
    if even == odd + 1:
        return of.weights[odd]
    return np.zeros((len(of.biases[odd]), len(of.biases[even])))


def _asked(of: Dbm, means: Sequence[Array], layer: int) -> Array:
    """σ of what a layer gets from its neighbours."""
    sums = product(means[layer - 1], of.weights[layer - 1], of.biases[layer])
    if layer < len(of.weights):
        sums += product_transposed(means[layer + 1], of.weights[layer])
    return sigmoid(sums)


def _measured(of: Dbm, means: Sequence[Array]) -> MeanField:
    residuals = [np.abs(_asked(of, means, layer) - means[layer]).max() for layer in range(1, len(means))]
    return MeanField(tuple(means[1:]), float(max(residuals)))


def _entropy(mean: Array) -> Array:
    """Σ_j H(μ_j), (N,), in nats; μ log μ is 0 at 0."""
    terms = [p * np.log(np.where(p > 0, p, 1.0)) for p in (mean, 1 - mean)]
    result: Array = -np.sum(terms, axis=(0, 2))
    return result
