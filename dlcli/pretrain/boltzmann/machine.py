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


def log_marginals(of: Machine, v: Array) -> Array:
    """log Σ_h e^{−E(v, h)}, (N,), for v (N, visible), by a sum over the hidden units' states.

    Raises
    ------
    ValueError: there are more than 20 hidden units.
    """
    v = np.asarray(v, np.float64)
    clamped, inner = _clamped(of, v)
    parts = [log_sum_exp(product_transposed(clamped, h, _own(inner, h)), axis=1) for h in _hidden_states(of, len(v))]
    couplings = np.asarray(of.couplings, np.float64)[: of.visible, : of.visible]
    result: Array = _own(couplings, v) + times(v, of.bias[: of.visible]) + log_sum_exp(np.stack(parts), axis=0)
    return result


def posterior_moments(of: Machine, v: Array) -> tuple[Moments, Array]:
    """Means over the data v (N, visible) of the moments given them, and each one's hidden means (N, hidden): exact.

    Raises
    ------
    ValueError: there are more than 20 hidden units.
    """
    v = np.asarray(v, np.float64)
    clamped, inner = _clamped(of, v)
    parts = [log_sum_exp(product_transposed(clamped, h, _own(inner, h)), axis=1) for h in _hidden_states(of, len(v))]
    norms = log_sum_exp(np.stack(parts), axis=0)
    means, second = np.zeros((len(v), of.hidden)), np.zeros((of.hidden, of.hidden))
    for h in _hidden_states(of, len(v)):
        p = np.exp(product_transposed(clamped, h, _own(inner, h)) - norms[:, None])
        means += product(p, h)
        second += transposed_product(h * p.mean(axis=0)[:, None], h)
    s = np.concatenate([v, means], axis=1)
    found = Moments(transposed_product(s, s) / len(s), s.mean(axis=0))
    found.second[of.visible :, of.visible :] = second
    return found, means


def log_partition(of: Machine) -> float:
    """log Z, by a sum over all states.

    Raises
    ------
    ValueError: there are more than 20 units.
    """
    _, _, exponents = _halves(of)
    return float(log_sum_exp(exponents))


def model_moments(of: Machine, log_z: float) -> Moments:
    """The moments of the machine's own distribution, exact.

    Raises
    ------
    ValueError: there are more than 20 units.
    """
    a, b, exponents = _halves(of)
    p = np.exp(exponents - log_z)
    of_a, of_b, across = p.sum(axis=1), p.sum(axis=0), transposed_product(a, product(p, b))
    of_aa, of_bb = transposed_product(a * of_a[:, None], a), transposed_product(b * of_b[:, None], b)
    second = np.block([[of_aa, across], [across.T, of_bb]])
    return Moments(second, second.diagonal().copy())  # a binary state is its square


def _clamped(of: Machine, v: Array) -> tuple[Array, Array]:
    """What the hidden units' states are multiplied by given v, (N, hidden), and their couplings; in float64."""
    couplings = np.asarray(of.couplings, np.float64)
    inputs = product(v, couplings[: of.visible, of.visible :], of.bias[of.visible :])
    return inputs, couplings[of.visible :, of.visible :]


def _hidden_states(of: Machine, samples: int) -> Iterator[Array]:
    """All states of the hidden units, in pieces that suit so many samples."""
    return (states(of.hidden, rows) for rows in pieces(2**of.hidden, 2 * samples + 2 * of.hidden))


def _halves(of: Machine) -> tuple[Array, Array, Array]:
    """All states a of the first half of the units and b of the second, and −E of every pair of them.

    So a state's couplings within a half are summed once for all states of the other, not once for each.
    """
    units = len(of.bias)
    check_units(units)
    couplings, half = np.asarray(of.couplings, np.float64), units // 2
    a, b = states(half), states(units - half)
    of_a = _own(couplings[:half, :half], a) + times(a, of.bias[:half])
    of_b = _own(couplings[half:, half:], b) + times(b, of.bias[half:])
    return a, b, of_a[:, None] + product_transposed(product(a, couplings[:half, half:]), b, of_b)


def _own(couplings: Array, s: Array) -> Array:
    """½ sᵀ S s of every row, (n,)."""
    result: Array = 0.5 * np.sum(product(s, couplings) * s, axis=1)
    return result
