"""Losses and their gradients, one sample after the other.

Throughout: x (N, units) holds the network's outputs; targets are (N,) class indices or (N, units) numbers;
losses (N,) float64 ← each sample's loss; gradient (N, units) ← d(mean loss) / dx, or is empty where it is not
wanted. Every sum runs over one sample, in order, in float64: neither the threads nor the rest of the batch can
change its bits.
"""

import math

import numpy as np
from numba import njit, prange


@njit(cache=True, nogil=True)
def _wanted(targets, n, j, units):
    """What sample n wants of unit j: a number, or 1 for its class and 0 for the others.

    A single unit stands for class 1 of two.
    """
    if targets.ndim == 2:
        return np.float64(targets[n, j])
    if units == 1:
        return np.float64(targets[n])
    return 1.0 if targets[n] == j else 0.0


@njit(cache=True, nogil=True)
def _log_normaliser(row):
    """log Σ_j e^{x_j}; with the largest x taken out of the sum no term overflows. NaN if any x is."""
    largest = np.float64(row[0])
    for j in range(1, row.size):
        largest = max(largest, np.float64(row[j]))
    total = 0.0
    for j in range(row.size):
        total += math.exp(np.float64(row[j]) - largest)
    return largest + math.log(total)


@njit(cache=True, nogil=True, parallel=True)
def softmax(x, p):
    """p_j ← e^{x_j} / Σ_k e^{x_k}, by rows."""
    for n in prange(x.shape[0]):
        normaliser = _log_normaliser(x[n])
        for j in range(x.shape[1]):
            p[n, j] = math.exp(np.float64(x[n, j]) - normaliser)


@njit(cache=True, nogil=True, parallel=True)
def softmax_cross_entropy(x, targets, losses, gradient):
    """Eq. (3) of the survey, C = −Σ_j d_j log p_j, with p = softmax(x); dC/dx_j = p_j Σ_k d_k − d_j."""
    units = x.shape[1]
    for n in prange(x.shape[0]):
        normaliser = _log_normaliser(x[n])
        loss = mass = 0.0
        for j in range(units):
            d = _wanted(targets, n, j, units)
            loss += d * (normaliser - np.float64(x[n, j]))
            mass += d
        losses[n] = loss
        if gradient.size > 0:
            for j in range(units):
                p = math.exp(np.float64(x[n, j]) - normaliser)
                gradient[n, j] = (p * mass - _wanted(targets, n, j, units)) / x.shape[0]


@njit(cache=True, nogil=True, parallel=True)
def sigmoid_cross_entropy(x, targets, losses, gradient):
    """C = −Σ_j [d_j log p_j + (1 − d_j) log(1 − p_j)], with p = sigmoid(x); dC/dx_j = p_j − d_j.

    Each term is max(x, 0) − d x + log(1 + e^−|x|), which cannot overflow. The sum of the logarithms is taken as
    the logarithm of a product: its factors are at most 2, so that one logarithm, the costliest part, serves for
    900 units or more.
    """
    units = x.shape[1]
    for n in prange(x.shape[0]):
        loss, product = 0.0, 1.0
        for j in range(units):
            value, d = np.float64(x[n, j]), _wanted(targets, n, j, units)
            small = math.exp(-abs(value))
            loss += max(value, 0.0) - d * value
            product *= 1.0 + small
            if product > 1e300:
                loss += math.log(product)
                product = 1.0
            if gradient.size > 0:
                p = (1.0 if value >= 0.0 else small) / (1.0 + small)
                gradient[n, j] = (p - d) / x.shape[0]
        losses[n] = loss + math.log(product)


@njit(cache=True, nogil=True, parallel=True)
def mean_squared_error(x, targets, losses, gradient):
    """C = ½ Σ_j (x_j − d_j)²; dC/dx_j = x_j − d_j."""
    units = x.shape[1]
    for n in prange(x.shape[0]):
        loss = 0.0
        for j in range(units):
            difference = np.float64(x[n, j]) - _wanted(targets, n, j, units)
            loss += difference * difference
            if gradient.size > 0:
                gradient[n, j] = difference / x.shape[0]
        losses[n] = 0.5 * loss
