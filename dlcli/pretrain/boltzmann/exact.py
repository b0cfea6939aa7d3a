"""Restricted Boltzmann machines small enough that sums over all states are exact: partition function and likelihood.

Given one side, the units of the other are independent, so that only the smaller side's 2^n states are visited.
"""

import math

import numpy as np

from dlcli.layers.base import Array
from dlcli.pretrain.boltzmann.energy import (
    Parameters,
    free_energy,
    label_free_energies,
    log_sum_exp,
    pieces,
    softplus_sum,
)
from dlcli.pretrain.boltzmann.products import product_transposed, times

MOST_UNITS = 20  # whose states are visited one by one: a million


def states(units: int, rows: slice | None = None) -> Array:
    """(2^units, units) float64: all binary states, or those of ``rows``; the state's number has unit i as its bit i.

    Raises
    ------
    ValueError: there are more than `MOST_UNITS` units.
    """
    check_units(units)
    numbers = np.arange(2**units) if rows is None else np.arange(rows.start, rows.stop)
    return ((numbers[:, None] >> np.arange(units)) & 1).astype(np.float64)


def is_small(of: Parameters) -> bool:
    """Whether one side has few enough units for `log_partition`."""
    return of.hidden <= MOST_UNITS or (of.variances is None and of.visible <= MOST_UNITS)


def log_partition(of: Parameters) -> float:
    """log Z, by a sum over all states of the smaller side: over the hidden one, where visible units are Gaussian.

    Raises
    ------
    ValueError: that side has more than `MOST_UNITS` units.
    """
    if of.variances is None and of.visible < of.hidden:
        return _over_visible_states(of)
    check_units(of.hidden)
    parts = []
    for rows in pieces(2**of.hidden, 4 * of.visible):
        h = states(of.hidden, rows)
        parts.append(log_sum_exp(times(h, of.hidden_bias) + _log_visible_sum(of, h) + _log_label_sum(of, h)))
    return float(log_sum_exp(np.array(parts)))


def log_likelihood(of: Parameters, v: Array, log_z: float, labels: Array | None = None) -> Array:
    """log p(v) = −F(v) − log Z, or log p(v, y) of class indices y (N,): (N,) for v (N, visible).

    A v between 0 and 1 is no state of binary units; −F being convex, what it gives then is no more than the mean over
    the binary vectors whose units are 1 with these probabilities.
    """
    if of.label_weights is None:
        return -free_energy(of, v) - log_z
    free_energies = label_free_energies(of, v)
    if labels is None:
        return log_sum_exp(-free_energies, axis=1) - log_z
    return -free_energies[np.arange(len(v)), labels] - log_z


def _over_visible_states(of: Parameters) -> float:
    """log Σ_v e^{−F(v)}, over the labels too where there are any."""
    check_units(of.visible)
    labels = 1 if of.label_bias is None else len(of.label_bias)
    parts = []
    for rows in pieces(2**of.visible, of.visible + 4 * labels * of.hidden):
        v = states(of.visible, rows)
        parts.append(log_sum_exp(-free_energy(of, v) if of.label_weights is None else -label_free_energies(of, v)))
    return float(log_sum_exp(np.array(parts)))


def _log_visible_sum(of: Parameters, h: Array) -> Array:
    """log Σ_v (of Gaussian units: log ∫ dv) of the factors with v in e^{−E(v, h)}, (N,) for h (N, hidden).

    With m = W h, the exponent of a Gaussian unit is −(v − b − m)² / 2σ² + (2 b m + m²) / 2σ².
    """
    m = product_transposed(h, of.weights)
    if of.variances is None:
        return softplus_sum(of.visible_bias + m)
    heights = (2 * of.visible_bias + m) * m / (2 * of.variances)
    total: Array = np.sum(heights + 0.5 * np.log(2 * math.pi * of.variances), axis=1)
    return total


def _log_label_sum(of: Parameters, h: Array) -> Array:
    """log Σ_y e^{d_y + U_y·h}, (N,); 0 where there are no labels."""
    if of.label_weights is None or of.label_bias is None:
        return np.zeros(len(h))
    return log_sum_exp(product_transposed(h, of.label_weights, of.label_bias), axis=1)


def check_units(units: int) -> None:
    """Raise ValueError where there are more than `MOST_UNITS` units."""
    if units > MOST_UNITS:
        raise ValueError(
            f"found {units} units whose states are to be visited one by one, expected {MOST_UNITS} at most"
        )
