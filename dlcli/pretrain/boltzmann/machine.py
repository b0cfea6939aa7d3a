"""General Boltzmann machines: binary units, each coupled to any other.

D. Ackley, G. Hinton, T. Sejnowski, "A learning algorithm for Boltzmann machines" (1985): with a symmetric S that has no
diagonal,

    E(s) = −½ sᵀ S s − βᵀ s,    p(s) = e^{−E(s)} / Z

The first units are visible, the others, if any, hidden. The gradient of the mean log-likelihood by S_ij is
⟨s_i s_j⟩ with the visible units clamped to the data less the same of the free-running machine; by β_i, ⟨s_i⟩ likewise.
Moments of data are of float32 (`dlcli.pretrain.boltzmann.clamped`), sums over all states of float64.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from dlcli.kernels import dense
from dlcli.kernels.activation import LINEAR
from dlcli.layers.base import Array
from dlcli.pretrain.boltzmann.energy import log_sum_exp, pieces
from dlcli.pretrain.boltzmann.exact import check_units, states
from dlcli.pretrain.boltzmann.products import product, product_transposed, times, transposed_product


@dataclass(frozen=True)
class Machine:
    """couplings: S (units, units). bias: β (units,). visible: how many of the units, the first ones, are visible."""

    couplings: Array
    bias: Array
    visible: int

    @property
    def hidden(self) -> int:
        """Number of hidden units."""
        return len(self.bias) - self.visible


class Moments(NamedTuple):
    """⟨s sᵀ⟩ (units, units), whose diagonal means nothing, and ⟨s⟩ (units,)."""

    second: Array
    first: Array


def visible_inputs(of: Machine, s: Array) -> Array:
    """(N, visible): every visible unit's total input, from all other units of s (N, units)."""
    inputs = np.empty((len(s), of.visible), s.dtype)
    dense.forward_transposed(s, of.couplings[: of.visible], of.bias[: of.visible], LINEAR, inputs)
    return inputs


class Posterior(NamedTuple):
    """What a machine makes of N samples, exactly.

    moments: their means over the samples. means: of the hidden units, (N, hidden). log_marginals: see there.
    """

    moments: Moments
    means: Array
    log_marginals: Array


def log_marginals(of: Machine, v: Array) -> Array:
    """log Σ_h e^{−E(v, h)}, (N,), for v (N, visible), by a sum over the hidden units' states.

    Raises
    ------
    ValueError: there are more than 20 hidden units.
    """
    v = np.asarray(v, np.float64)
    return _visible_terms(of, v) + _log_norms(of, *_clamped(of, v))


def posterior(of: Machine, v: Array) -> Posterior:
    """What is known of the hidden units given v (N, visible), by two sums over their states.

    Raises
    ------
    ValueError: there are more than 20 hidden units.
    """
    v = np.asarray(v, np.float64)
    clamped, inner = _clamped(of, v)
    norms = _log_norms(of, clamped, inner)
    means, second = np.zeros((len(v), of.hidden)), np.zeros((of.hidden, of.hidden))
    for h in _hidden_states(of, len(v)):
        p = np.exp(product_transposed(clamped, h, _own(inner, h)) - norms[:, None])
        means += product(p, h)
        second += transposed_product(h * p.mean(axis=0)[:, None], h)
    s = np.concatenate([v, means], axis=1)
    found = Moments(transposed_product(s, s) / len(s), s.mean(axis=0))
    found.second[of.visible :, of.visible :] = second
    return Posterior(found, means, _visible_terms(of, v) + norms)


def log_partition(of: Machine) -> float:
    """log Z, by a sum over all states.

    Raises
    ------
    ValueError: there are more than 20 units.
    """
    return Enumeration(of).log_partition()


class Enumeration:
    """All states of a machine of 20 units at most, in arrays that stay; its own arrays may change, but not move.

    A state is one of the first half of the units and one of the second, so that the couplings within a half are summed
    once for all states of the other, not once for each.

    Raises
    ------
    ValueError: there are more than 20 units.
    """

    def __init__(self, of: Machine) -> None:
        units = len(of.bias)
        check_units(units)
        self._of, self._half = of, units // 2
        self._a, self._b = states(self._half), states(units - self._half)
        self._exponents = np.empty((len(self._a), len(self._b)))  # −E of every pair
        self._terms = np.empty_like(self._exponents)

    def log_partition(self) -> float:
        """log Z of the machine as it is now."""
        of, half, a, b, exponents = self._of, self._half, self._a, self._b, self._exponents
        couplings = np.asarray(of.couplings, np.float64)
        of_a = _own(couplings[:half, :half], a) + times(a, of.bias[:half])
        of_b = _own(couplings[half:, half:], b) + times(b, of.bias[half:])
        product_transposed(product(a, couplings[:half, half:]), b, of_b, out=exponents)
        exponents += of_a[:, None]
        return float(log_sum_exp(exponents, work=self._terms))

    def moments(self, log_z: float) -> Moments:
        """The moments of the machine's distribution as it was when `log_partition` gave this."""
        a, b, p = self._a, self._b, self._terms
        np.exp(np.subtract(self._exponents, log_z, out=p), out=p)
        of_a, of_b, across = p.sum(axis=1), p.sum(axis=0), transposed_product(a, product(p, b))
        of_aa, of_bb = transposed_product(a * of_a[:, None], a), transposed_product(b * of_b[:, None], b)
        second = np.block([[of_aa, across], [across.T, of_bb]])
        return Moments(second, second.diagonal().copy())  # a binary state is its square


def _clamped(of: Machine, v: Array) -> tuple[Array, Array]:
    """What the hidden units' states are multiplied by given v, (N, hidden), and their couplings; in float64."""
    couplings = np.asarray(of.couplings, np.float64)
    inputs = product(v, couplings[: of.visible, of.visible :], of.bias[of.visible :])
    return inputs, couplings[of.visible :, of.visible :]


def _visible_terms(of: Machine, v: Array) -> Array:
    """−E of the visible units alone, (N,), for v (N, visible)."""
    return _own(np.asarray(of.couplings, np.float64)[: of.visible, : of.visible], v) + times(v, of.bias[: of.visible])


def _log_norms(of: Machine, clamped: Array, inner: Array) -> Array:
    """log Σ_h e^{clamped · h + ½ hᵀ inner h}, (N,): all of −E(v, h) but for the visible units' own terms."""
    some = _hidden_states(of, len(clamped))
    parts = [log_sum_exp(product_transposed(clamped, h, _own(inner, h)), axis=1) for h in some]
    return log_sum_exp(np.stack(parts), axis=0)


def _hidden_states(of: Machine, samples: int) -> Iterator[Array]:
    """All states of the hidden units, in pieces that suit so many samples."""
    return (states(of.hidden, rows) for rows in pieces(2**of.hidden, 2 * samples + 2 * of.hidden))


def _own(couplings: Array, s: Array) -> Array:
    """½ sᵀ S s of every row, (n,)."""
    result: Array = 0.5 * np.sum(product(s, couplings) * s, axis=1)
    return result
