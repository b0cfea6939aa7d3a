"""Penalties on a hidden layer's activity (survey, section 3.2)."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from dlcli.kernels.addresses import array, number, place, typed_array
from dlcli.kernels.constants import COLUMNS
from dlcli.kernels.launch import Kernel, Launch, Planned

Array = npt.NDArray[Any]

SERIAL = 40_000  # activities below which waking the threads costs more than it saves
STRANDS = 16  # partial sums of a long sum


def _by_units(kernel: Kernel, h: Array, arguments: tuple[Any, ...], scratch: int = 0) -> Launch:
    """A launch whose tasks are `COLUMNS` neighbouring units of the whole batch."""
    samples, units = h.shape
    arguments = (*arguments, samples, units)
    return Launch(kernel, h.dtype, -(-units // COLUMNS), arguments, parallel=h.size >= SERIAL, scratch=scratch)


def _mean_activity(p, first, last, shared, scratch):
    samples, units = p[2], p[3]
    begin, end = first * COLUMNS, min(last * COLUMNS, units)
    itemsize = array(p[0], 1, scratch).itemsize
    mean = array(p[1] + begin * itemsize, end - begin, scratch)
    for j in range(mean.size):
        mean[j] = 0
    for n in range(samples):
        h = array(p[0] + (n * units + begin) * itemsize, end - begin, scratch)
        for j in range(mean.size):
            mean[j] += h[j]
    divisor = mean.dtype.type(samples)
    for j in range(mean.size):
        mean[j] /= divisor


_MEAN = Kernel(_mean_activity)


@Planned
def mean_activity(h: Array, mean: Array) -> list[Launch]:
    """mean (units,) ← the mean of h (N, units) over the batch, summed in order."""
    return [_by_units(_MEAN, h, (h, mean))]


def _running_mean(p, first, last, shared, scratch):
    running, batch = array(p[0], p[2], scratch), array(p[1], p[2], scratch)
    kept, rest = running.dtype.type(number(p[3])), running.dtype.type(1.0 - number(p[3]))
    for j in range(running.size):
        running[j] = kept * running[j] + rest * batch[j]


_RUNNING_MEAN = Kernel(_running_mean)


@Planned
def running_mean(running: Array, batch: Array, kept: float) -> list[Launch]:
    """running (units,) ← kept · running + (1 − kept) · batch."""
    return [Launch(_RUNNING_MEAN, running.dtype, 1, (running, batch, running.size, float(kept)), parallel=False)]


def _kl_penalty(p, first, last, shared, scratch):
    mean, total = array(p[0], p[2], scratch), typed_array(p[1], 1, np.float64)
    target, floor = number(p[3]), number(p[4])
    total[0] = 0.0
    for j in range(mean.size):
        rho = min(max(np.float64(mean[j]), floor), 1 - floor)
        total[0] += target * math.log(target / rho) + (1 - target) * math.log((1 - target) / (1 - rho))


_KL_PENALTY = Kernel(_kl_penalty)


@Planned
def kl_divergence(mean: Array, target: float, floor: float, total: Array) -> list[Launch]:
    """total (1,) float64 ← `kl_penalty`."""
    arguments = (mean, total, mean.size, float(target), float(floor))
    return [Launch(_KL_PENALTY, mean.dtype, 1, arguments, parallel=False)]


def kl_penalty(mean: Array, target: float, floor: float) -> float:
    """Σ_j KL(ρ ‖ ρ̂_j) of Bernoulli activities, ρ = ``target``, ρ̂ = ``mean`` kept in [floor, 1 − floor]."""
    total = np.empty(1)
    kl_divergence(mean, target, floor, total)
    return float(total[0])


def _kl_gradient(p, first, last, shared, scratch):
    samples, units = p[5], p[6]
    begin, end = first * COLUMNS, min(last * COLUMNS, units)
    itemsize = array(p[0], 1, scratch).itemsize
    mean, target, floor, weight = (
        array(p[0] + begin * itemsize, end - begin, scratch),
        number(p[2]),
        number(p[3]),
        number(p[4]),
    )
    slope = array(place(scratch), end - begin, scratch)
    for j in range(mean.size):
        rho = min(max(np.float64(mean[j]), floor), 1 - floor)
        slope[j] = weight * ((1 - target) / (1 - rho) - target / rho) / samples
    for n in range(samples):
        d = array(p[1] + (n * units + begin) * itemsize, end - begin, scratch)
        for j in range(d.size):
            d[j] += slope[j]


_KL_GRADIENT = Kernel(_kl_gradient)


@Planned
def kl_gradient(mean: Array, target: float, floor: float, weight: float, d: Array) -> list[Launch]:
    """d (N, units) += weight / N · d KL / d ρ̂_j: the gradient reaches each sample through the batch's mean."""
    return [_by_units(_KL_GRADIENT, d, (mean, d, float(target), float(floor), float(weight)), scratch=d[0].nbytes)]


def _l1_penalty(p, first, last, shared, scratch):
    samples, units = p[2], p[3]
    h, strands = array(p[0], samples * units, scratch), typed_array(place(scratch), STRANDS, np.float64)
    for lane in range(STRANDS):
        strands[lane] = 0.0
    whole = h.size // STRANDS
    for block in range(whole):
        for lane in range(STRANDS):
            strands[lane] += abs(np.float64(h[block * STRANDS + lane]))
    for lane in range(h.size - whole * STRANDS):
        strands[lane] += abs(np.float64(h[whole * STRANDS + lane]))
    total = 0.0
    for lane in range(STRANDS):
        total += strands[lane]
    typed_array(p[1], 1, np.float64)[0] = total / samples


_L1_PENALTY = Kernel(_l1_penalty)


@Planned
def l1_norm(h: Array, total: Array) -> list[Launch]:
    """total (1,) float64 ← `l1_penalty`."""
    return [Launch(_L1_PENALTY, h.dtype, 1, (h, total, *h.shape), parallel=False, scratch=8 * STRANDS)]


def l1_penalty(h: Array) -> float:
    """Mean over the batch (N, units) of Σ_j |h_j|, summed in `STRANDS` strands that are added in order."""
    total = np.empty(1)
    l1_norm(h, total)
    return float(total[0])


def _l1_gradient(p, first, last, shared, scratch):
    units, itemsize = p[3], array(p[0], 1, scratch).itemsize
    for n in range(first, last):
        h, d = array(p[0] + n * units * itemsize, units, scratch), array(p[1] + n * units * itemsize, units, scratch)
        zero, scale = d.dtype.type(0), d.dtype.type(number(p[2]))
        for j in range(units):
            d[j] += scale if h[j] > 0 else (-scale if h[j] < 0 else zero)


_L1_GRADIENT = Kernel(_l1_gradient)


@Planned
def l1_gradient(h: Array, weight: float, d: Array) -> list[Launch]:
    """d (N, units) += weight / N · sign(h)."""
    arguments = (h, d, float(weight) / len(d), d.shape[1])
    return [Launch(_L1_GRADIENT, d.dtype, len(d), arguments, parallel=d.size >= SERIAL)]
