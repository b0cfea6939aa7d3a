"""Losses and their gradients, one sample after the other.

`dlcli.kernels.batch_loss` says what the arrays are and in which order each sum runs. Powers are float64 too (see
`exponential.wide_exp`), since p − d may be a small difference; the same ones serve loss and gradient.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from dlcli.kernels.addresses import array, number, place, typed_array
from dlcli.kernels.batch_loss import (
    CHUNK,
    SERIAL,
    STRANDS,
    BatchLoss,
    fill,
    largest_of,
    sum_in_strands,
    sum_of,
    wanted,
    weight_of,
)
from dlcli.kernels.exponential import wide_exp
from dlcli.kernels.launch import Kernel, Launch, Planned

Array = npt.NDArray[Any]


def _softmax(p, first, last, shared, scratch):
    units = p[2]
    for n in range(first, last):
        x = array(p[0] + n * units * p[3], units, scratch)
        probabilities = typed_array(p[1] + n * units * 8, units, np.float64)
        largest = np.float64(x[0])
        for j in range(units):
            largest = max(largest, np.float64(x[j]))
        total = 0.0
        for j in range(units):
            probabilities[j] = math.exp(np.float64(x[j]) - largest)
            total += probabilities[j]
        for j in range(units):
            probabilities[j] /= total


_SOFTMAX = Kernel(_softmax)


@Planned
def softmax(x: Array, p: Array) -> list[Launch]:
    """p_j ← e^{x_j} / Σ_k e^{x_k}, by rows, in float64; with the largest x taken out no term overflows."""
    arguments = (np.ascontiguousarray(x), p, x.shape[1], x.itemsize)
    return [Launch(_SOFTMAX, x.dtype, len(x), arguments, parallel=x.size >= SERIAL)]


def _softmax_cross_entropy(p, first, last, shared, scratch):
    """Eq. (3) of the survey, C = −Σ_j d_j log p_j, with p = softmax(x); dC/dx_j = p_j Σ_k d_k − d_j.

    The option is the share ε of label smoothing: (1 − ε) d_j + ε / units then stands for d_j.
    """
    places, samples, units, itemsize = typed_array(p[0], 5, np.int64), p[1], p[2], p[3]
    own = place(scratch)
    strands, masses = typed_array(own, STRANDS, np.float64), typed_array(own + STRANDS * 8, STRANDS, np.float64)
    powers = typed_array(own + STRANDS * 16, units, np.float64)
    whole = units // STRANDS
    smoothing = number(p[7])
    keep, spread = 1.0 - smoothing, smoothing / units
    one_class = p[4] and smoothing == 0.0
    for n in range(first, last):
        weight = weight_of(p, n, scratch)
        if weight == 0.0:
            continue
        x = array(places[0] + n * units * itemsize, units, scratch)
        largest = largest_of(x, strands)
        for j in range(units):
            powers[j] = wide_exp(np.float64(x[j]) - largest, x[j])
        fill(strands, 0.0)
        for block in range(whole):
            for lane in range(STRANDS):
                strands[lane] += powers[block * STRANDS + lane]
        for lane in range(units - whole * STRANDS):
            strands[lane] += powers[whole * STRANDS + lane]
        total = sum_of(strands, units)
        normaliser = largest + math.log(total)
        loss, mass, label, d = 0.0, 1.0, 0, x  # d is read where there is more than a class
        if one_class:
            label = typed_array(places[1], samples, np.int64)[n]
            loss = normaliser - x[label] if units > 1 else label * (normaliser - x[0])
            mass = 1.0 if units > 1 else np.float64(label)
        else:
            d = wanted(p, n, own + STRANDS * 16 + units * 8, scratch)
            fill(strands, 0.0)
            fill(masses, 0.0)
            for block in range(whole):
                for lane in range(STRANDS):
                    j = block * STRANDS + lane
                    share_of_j = keep * np.float64(d[j]) + spread
                    strands[lane] += share_of_j * (normaliser - x[j])
                    masses[lane] += share_of_j
            for lane in range(units - whole * STRANDS):
                j = whole * STRANDS + lane
                share_of_j = keep * np.float64(d[j]) + spread
                strands[lane] += share_of_j * (normaliser - x[j])
                masses[lane] += share_of_j
            loss, mass = sum_of(strands, units), sum_of(masses, units)
        typed_array(places[2], samples, np.float64)[n] = weight * loss
        if p[5]:
            gradient = array(places[3] + n * units * itemsize, units, scratch)
            factor, share = weight * mass / (total * samples), weight / samples
            if one_class:
                for j in range(units):
                    gradient[j] = factor * powers[j]
                if units > 1:
                    gradient[label] = factor * powers[label] - share
                else:
                    gradient[0] = factor * powers[0] - share * label
            else:
                for j in range(units):
                    gradient[j] = factor * powers[j] - share * (keep * np.float64(d[j]) + spread)


def _sigmoid_cross_entropy(p, first, last, shared, scratch):
    """C = −Σ_j [d_j log p_j + (1 − d_j) log(1 − p_j)], with p = sigmoid(x); dC/dx_j = p_j − d_j.

    Each term is max(x, 0) − d x + log(1 + e^−|x|), which cannot overflow. The sum of the logarithms is taken as
    the logarithm of a product: its factors are at most 2, so that one logarithm, the costliest part, serves for
    `CHUNK` units.
    """
    places, samples, units, itemsize = typed_array(p[0], 5, np.int64), p[1], p[2], p[3]
    own = place(scratch)
    strands, factors = typed_array(own, STRANDS, np.float64), typed_array(own + STRANDS * 8, STRANDS, np.float64)
    powers = typed_array(own + STRANDS * 16, units, np.float64)
    for n in range(first, last):
        weight = weight_of(p, n, scratch)
        if weight == 0.0:
            continue
        x = array(places[0] + n * units * itemsize, units, scratch)
        d = wanted(p, n, own + STRANDS * 16 + units * 8, scratch)
        for j in range(units):
            powers[j] = wide_exp(-abs(np.float64(x[j])), x[j])
        fill(strands, 0.0)
        logarithms = 0.0
        for start in range(0, units, CHUNK):
            size = min(CHUNK, units - start)
            fill(factors, 1.0)
            for block in range(size // STRANDS):
                for lane in range(STRANDS):
                    j = start + block * STRANDS + lane
                    value = np.float64(x[j])
                    strands[lane] += max(value, 0.0) - np.float64(d[j]) * value
                    factors[lane] *= 1.0 + powers[j]
            for lane in range(size % STRANDS):
                j = start + size // STRANDS * STRANDS + lane
                value = np.float64(x[j])
                strands[lane] += max(value, 0.0) - np.float64(d[j]) * value
                factors[lane] *= 1.0 + powers[j]
            product = 1.0
            for lane in range(min(STRANDS, size)):
                product *= factors[lane]
            logarithms += math.log(product)
        typed_array(places[2], samples, np.float64)[n] = weight * (sum_of(strands, units) + logarithms)
        if p[5]:
            share = weight / samples
            gradient = array(places[3] + n * units * itemsize, units, scratch)
            for j in range(units):
                p_j = (1.0 if x[j] >= 0 else powers[j]) / (1.0 + powers[j])
                gradient[j] = share * (p_j - d[j])


def _mean_squared_error(p, first, last, shared, scratch):
    """C = ½ Σ_j (x_j − d_j)²; dC/dx_j = x_j − d_j."""
    places, samples, units, itemsize = typed_array(p[0], 5, np.int64), p[1], p[2], p[3]
    own = place(scratch)
    strands = typed_array(own, STRANDS, np.float64)
    for n in range(first, last):
        x = array(places[0] + n * units * itemsize, units, scratch)
        d = wanted(p, n, own + STRANDS * 16, scratch)
        fill(strands, 0.0)
        for block in range(units // STRANDS):
            for lane in range(STRANDS):
                difference = np.float64(x[block * STRANDS + lane]) - np.float64(d[block * STRANDS + lane])
                strands[lane] += difference * difference
        for lane in range(units % STRANDS):
            j = units // STRANDS * STRANDS + lane
            difference = np.float64(x[j]) - np.float64(d[j])
            strands[lane] += difference * difference
        typed_array(places[2], samples, np.float64)[n] = 0.5 * sum_of(strands, units)
        if p[5]:
            gradient = array(places[3] + n * units * itemsize, units, scratch)
            share = x.dtype.type(1.0 / samples)
            for j in range(units):
                gradient[j] = share * (x[j] - d[j])


def _huber(p, first, last, shared, scratch):
    """C = Σ_j ½ r_j² where |r_j| ≤ δ, the option, else δ (|r_j| − ½ δ), with r = x − d; dC/dx_j is r_j within ±δ."""
    places, samples, units, itemsize = typed_array(p[0], 5, np.int64), p[1], p[2], p[3]
    own = place(scratch)
    strands, terms = typed_array(own, STRANDS, np.float64), typed_array(own + STRANDS * 16, units, np.float64)
    delta, share = number(p[7]), 1.0 / samples
    for n in range(first, last):
        x = array(places[0] + n * units * itemsize, units, scratch)
        d = wanted(p, n, own + STRANDS * 16 + units * 8, scratch)
        for j in range(units):
            residue = np.float64(x[j]) - np.float64(d[j])
            size = abs(residue)
            terms[j] = 0.5 * residue * residue if size <= delta else delta * (size - 0.5 * delta)
        typed_array(places[2], samples, np.float64)[n] = sum_in_strands(terms, strands)
        if p[5]:
            gradient = array(places[3] + n * units * itemsize, units, scratch)
            for j in range(units):
                residue = np.float64(x[j]) - np.float64(d[j])
                low = -delta if residue < -delta else residue
                gradient[j] = share * (delta if low > delta else low)


def _hinge(p, first, last, shared, scratch):
    """C = Σ_j h_j or, where the option is 2, Σ_j h_j², with h_j = max(0, 1 − δ_j x_j) and δ_j = 2 d_j − 1.

    dC/dx_j = −δ_j where h_j > 0, or −2 δ_j h_j.
    """
    places, samples, units, itemsize = typed_array(p[0], 5, np.int64), p[1], p[2], p[3]
    own = place(scratch)
    strands, terms = typed_array(own, STRANDS, np.float64), typed_array(own + STRANDS * 16, units, np.float64)
    squared = number(p[7]) == 2.0
    for n in range(first, last):
        weight = weight_of(p, n, scratch)
        if weight == 0.0:
            continue
        x = array(places[0] + n * units * itemsize, units, scratch)
        d = wanted(p, n, own + STRANDS * 16 + units * 8, scratch)
        for j in range(units):
            short = 1.0 - (2.0 * np.float64(d[j]) - 1.0) * np.float64(x[j])
            excess = 0.0 if short <= 0.0 else short  # NaN stays
            terms[j] = excess * excess if squared else excess
        typed_array(places[2], samples, np.float64)[n] = weight * sum_in_strands(terms, strands)
        if p[5]:
            gradient = array(places[3] + n * units * itemsize, units, scratch)
            share = weight / samples
            for j in range(units):
                side = 2.0 * np.float64(d[j]) - 1.0
                short = 1.0 - side * np.float64(x[j])
                excess = 0.0 if short <= 0.0 else short
                slope = 2.0 * excess if squared else (1.0 if excess > 0.0 else excess)
                gradient[j] = -share * side * slope


softmax_cross_entropy = BatchLoss(_softmax_cross_entropy)
sigmoid_cross_entropy = BatchLoss(_sigmoid_cross_entropy)
mean_squared_error = BatchLoss(_mean_squared_error)
huber = BatchLoss(_huber)
hinge = BatchLoss(_hinge)
