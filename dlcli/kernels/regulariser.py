"""Penalties on a hidden layer's activity (survey, section 3.2)."""

import math

import numpy as np
from numba import njit, prange


@njit(cache=True)
def mean_activity(h, mean):
    """mean (units,) ← the mean of h (N, units) over the batch, summed in order."""
    mean[:] = 0
    for n in range(h.shape[0]):
        for j in range(h.shape[1]):
            mean[j] += h[n, j]
    for j in range(mean.size):
        mean[j] /= mean.dtype.type(h.shape[0])


@njit(cache=True)
def kl_penalty(mean, target, floor):
    """Σ_j KL(ρ ‖ ρ̂_j) of Bernoulli activities, ρ = ``target``, ρ̂ = ``mean`` kept in [floor, 1 − floor]."""
    total = 0.0
    for j in range(mean.size):
        rho = min(max(float(mean[j]), floor), 1 - floor)
        total += target * math.log(target / rho) + (1 - target) * math.log((1 - target) / (1 - rho))
    return total


@njit(cache=True, parallel=True)
def kl_gradient(mean, target, floor, weight, d):
    """d (N, units) += weight / N · d KL / d ρ̂_j: the gradient reaches each sample through the batch's mean."""
    slope = np.empty_like(mean)
    for j in range(mean.size):
        rho = min(max(mean[j], mean.dtype.type(floor)), mean.dtype.type(1 - floor))
        slope[j] = weight * ((1 - target) / (1 - rho) - target / rho) / d.shape[0]
    for n in prange(d.shape[0]):
        for j in range(d.shape[1]):
            d[n, j] += slope[j]


@njit(cache=True)
def l1_penalty(h):
    """Mean over the batch of Σ_j |h_j|."""
    total = 0.0
    for n in range(h.shape[0]):
        for j in range(h.shape[1]):
            total += abs(h[n, j])
    return total / h.shape[0]


@njit(cache=True, parallel=True)
def l1_gradient(h, weight, d):
    """d (N, units) += weight / N · sign(h)."""
    scale = d.dtype.type(weight / d.shape[0])
    for n in prange(d.shape[0]):
        for j in range(d.shape[1]):
            if h[n, j] > 0:
                d[n, j] += scale
            elif h[n, j] < 0:
                d[n, j] -= scale
