"""Restricted Boltzmann machines small enough that sums over all states are exact: partition function and gradient.

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
    sigmoid,
    softplus_sum,
)

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
        parts.append(log_sum_exp(h @ of.hidden_bias + _log_visible_sum(of, h) + _log_label_sum(of, h)))
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


def joint_probabilities(of: Parameters) -> Array:
    """p(v, h) of all states, (2^visible, 2^hidden), ordered as `states` orders them.

    Raises
    ------
    ValueError: there are more than `MOST_UNITS` binary units in all, or Gaussian ones.
    """
    check_units(of.visible + of.hidden)
    of.swapped()  # binary on both sides
    v, h = states(of.visible), states(of.hidden)
    joint = (v @ of.visible_bias)[:, None] + h @ of.hidden_bias + v @ of.weights @ h.T
    result: Array = np.exp(joint - log_sum_exp(joint))
    return result


def model_statistics(of: Parameters) -> Parameters:
    """⟨v_i h_j⟩, ⟨v_i⟩ and ⟨h_j⟩ of the model, in the places of the parameters that they belong to.

    Raises
    ------
    ValueError: both sides have more than `MOST_UNITS` binary units, or the visible ones are Gaussian.
    """
    if of.hidden < of.visible:
        return model_statistics(of.swapped()).swapped()
    of.swapped()  # binary on both sides
    log_z = _over_visible_states(of)
    weights, visible, hidden = np.zeros_like(of.weights), np.zeros(of.visible), np.zeros(of.hidden)
    for rows in pieces(2**of.visible, of.visible + 4 * of.hidden):
        v = states(of.visible, rows)
        p = np.exp(-free_energy(of, v) - log_z)
        h = sigmoid(of.activations(v))
        weights += (v * p[:, None]).T @ h
        visible += p @ v
        hidden += p @ h
    return Parameters(weights, visible, hidden)


def likelihood_gradient(of: Parameters, v: Array) -> Parameters:
    """The gradient of the mean log-likelihood of v (N, visible): ⟨vh⟩ of the data less that of the model, and so on.

    Raises
    ------
    ValueError: as `model_statistics`.
    """
    v = np.asarray(v, np.float64)
    h, model = sigmoid(of.activations(v)), model_statistics(of)
    return Parameters(
        v.T @ h / len(v) - model.weights,
        v.mean(axis=0) - model.visible_bias,
        h.mean(axis=0) - model.hidden_bias,
    )


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
    m = h @ of.weights.T
    if of.variances is None:
        return softplus_sum(of.visible_bias + m)
    heights = (2 * of.visible_bias + m) * m / (2 * of.variances)
    total: Array = np.sum(heights + 0.5 * np.log(2 * math.pi * of.variances), axis=1)
    return total


def _log_label_sum(of: Parameters, h: Array) -> Array:
    """log Σ_y e^{d_y + U_y·h}, (N,); 0 where there are no labels."""
    if of.label_weights is None or of.label_bias is None:
        return np.zeros(len(h))
    return log_sum_exp(of.label_bias + h @ of.label_weights.T, axis=1)


def check_units(units: int) -> None:
    """Raise ValueError where there are more than `MOST_UNITS` units."""
    if units > MOST_UNITS:
        raise ValueError(
            f"found {units} units whose states are to be visited one by one, expected {MOST_UNITS} at most"
        )
