"""Losses and their gradients, one sample after the other.

Throughout: x (N, units) holds the network's outputs; targets are (N,) class indices or (N, units) numbers;
losses (N,) float64 ← each sample's loss; gradient (N, units) ← d(mean loss) / dx, or is empty where it is not
wanted. Every sum runs over one sample, in float64, in an order that the number of units alone decides: unit j goes to
strand j mod `STRANDS`, and the strands are added in order. Neither the threads nor the rest of the batch can change
its bits. Powers are float64 too (see `exponential.wide_exp`), since p − d may be a small difference; the same ones
serve loss and gradient.
"""

import math
import threading
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from dlcli.kernels.exponential import wide_exp
from dlcli.kernels.launch import Kernel, Launch, Planned, address_of, array, place, typed_array

Array = npt.NDArray[Any]

STRANDS = 16
SERIAL = 10_000  # units of a batch below which waking the threads costs more than it saves
CHUNK = 63 * STRANDS  # factors of at most 2 whose product stays finite in float64


@njit(cache=True, error_model="numpy")
def _fill(row, value):
    for i in range(row.size):
        row[i] = value


@njit(cache=True, error_model="numpy")
def _largest(row, strands):
    """The largest number of a row that has no NaN."""
    if row.size < STRANDS:
        alone = np.float64(row[0])
        for j in range(row.size):
            alone = row[j] if row[j] > alone else alone
        return alone
    _fill(strands, row[0])
    whole = row.size // STRANDS
    for block in range(whole):
        for lane in range(STRANDS):
            value = np.float64(row[block * STRANDS + lane])
            strands[lane] = value if value > strands[lane] else strands[lane]
    for lane in range(row.size - whole * STRANDS):
        value = np.float64(row[whole * STRANDS + lane])
        strands[lane] = value if value > strands[lane] else strands[lane]
    largest = strands[0]
    for lane in range(1, STRANDS):
        largest = strands[lane] if strands[lane] > largest else largest
    return largest


@njit(cache=True, error_model="numpy")
def _sum(strands, units):
    """The sum of the strands, in order; those that no unit went to are zero."""
    total = 0.0
    for lane in range(min(STRANDS, units)):
        total += strands[lane]
    return total


@njit(cache=True, error_model="numpy")
def _one_hot(label, d):
    """d ← 1 for the class and 0 for the others; a single unit stands for class 1 of two."""
    _fill(d, 0)
    if d.size == 1:
        d[0] = label
    else:
        d[label] = 1


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


class BatchLoss:
    """A loss of a batch: called with (x, targets, losses, gradient), arrays that need not stay where they are.

    A launch is kept for sizes and types. Class indices and losses pass through buffers of its own; the addresses of
    the other arrays are written anew where they have changed.
    """

    def __init__(self, body: Callable[..., None]) -> None:
        self._kernel = Kernel(body)
        self._planned = threading.local()
        self.__doc__ = body.__doc__

    def __call__(self, x: Array, targets: Array, losses: Array, gradient: Array) -> None:
        if targets.ndim == 1 and targets.dtype.kind == "f":
            targets = targets.reshape(-1, 1)
        _check(x, targets, gradient)
        kept: dict[Any, _Batch] = self._planned.__dict__
        key = (x.shape, x.itemsize, targets.ndim, gradient.size)
        batch = kept.get(key)
        if batch is None:
            batch = kept[key] = _Batch(self._kernel, x, targets.ndim == 1, gradient.size > 0)
        batch.run(x, targets, losses, gradient)


class _Batch:
    """A loss for batches of one size. Its record: addresses of x, targets, losses and gradient; sizes; flags."""

    def __init__(self, kernel: Kernel, x: Array, classes: bool, wants_gradient: bool) -> None:
        samples, units = x.shape
        self._dtype = x.dtype
        self._losses = np.empty(samples)
        self._classes = np.empty(samples if classes else 0, np.int64)
        self._places = np.zeros(4, np.int64)
        self._places[1], self._places[2] = address_of(self._classes), address_of(self._losses)
        self._seen: list[Any] = [_nothing, _nothing]
        self._wants_gradient = wants_gradient
        arguments = (self._places, samples, units, x.itemsize, classes, wants_gradient)
        size = STRANDS * 16 + 2 * units * 8
        self._launch = Launch(kernel, x.dtype, samples, arguments, parallel=x.size >= SERIAL, scratch=size)

    def run(self, x: Array, targets: Array, losses: Array, gradient: Array) -> None:
        if self._classes.size:
            np.copyto(self._classes, targets)
        else:
            targets = np.ascontiguousarray(targets, self._dtype)
            self._places[1] = address_of(targets)
        if self._seen[0]() is not x:
            self._seen[0] = weakref.ref(x) if x.flags.c_contiguous else _nothing
            x = np.ascontiguousarray(x)
            self._places[0] = address_of(x)
        if self._wants_gradient and self._seen[1]() is not gradient:
            self._seen[1] = weakref.ref(gradient)
            self._places[3] = address_of(gradient)
        self._launch.run()
        np.copyto(losses, self._losses)


def _check(x: Array, targets: Array, gradient: Array) -> None:
    """Raise ValueError for what kernels, which see addresses only, would read or write outside of an array."""
    if gradient.size and not (gradient.flags.c_contiguous and (gradient.shape, gradient.dtype) == (x.shape, x.dtype)):
        raise ValueError(
            f"the gradient must be contiguous, {x.shape} {x.dtype}, found {gradient.shape} {gradient.dtype}"
        )
    if targets.shape != (x.shape if targets.ndim > 1 else x.shape[:1]):
        raise ValueError(f"found targets of shape {targets.shape} for outputs of shape {x.shape}")
    if targets.ndim == 1 and targets.size and not 0 <= targets.min() <= targets.max() < max(x.shape[1], 2):
        raise ValueError(f"found classes from {targets.min()} to {targets.max()} for {x.shape[1]} outputs")


def _nothing() -> None:
    return None


@njit(cache=True, error_model="numpy")
def _wanted(p, n, own, scratch):
    """What sample n wants of its units; classes are written out at ``own``."""
    places, units = typed_array(p[0], 4, np.int64), p[2]
    if not p[4]:
        return array(places[1] + n * units * p[3], units, scratch)
    d = array(own, units, scratch)
    _one_hot(typed_array(places[1], p[1], np.int64)[n], d)
    return d


def _softmax_cross_entropy(p, first, last, shared, scratch):
    """Eq. (3) of the survey, C = −Σ_j d_j log p_j, with p = softmax(x); dC/dx_j = p_j Σ_k d_k − d_j."""
    places, samples, units, itemsize = typed_array(p[0], 4, np.int64), p[1], p[2], p[3]
    own = place(scratch)
    strands, masses = typed_array(own, STRANDS, np.float64), typed_array(own + STRANDS * 8, STRANDS, np.float64)
    powers = typed_array(own + STRANDS * 16, units, np.float64)
    whole = units // STRANDS
    for n in range(first, last):
        x = array(places[0] + n * units * itemsize, units, scratch)
        largest = _largest(x, strands)
        for j in range(units):
            powers[j] = wide_exp(np.float64(x[j]) - largest, x[j])
        _fill(strands, 0.0)
        for block in range(whole):
            for lane in range(STRANDS):
                strands[lane] += powers[block * STRANDS + lane]
        for lane in range(units - whole * STRANDS):
            strands[lane] += powers[whole * STRANDS + lane]
        total = _sum(strands, units)
        normaliser = largest + math.log(total)
        loss, mass, label = 0.0, 1.0, 0
        if p[4]:
            label = typed_array(places[1], samples, np.int64)[n]
            loss = normaliser - x[label] if units > 1 else label * (normaliser - x[0])
            mass = 1.0 if units > 1 else np.float64(label)
        else:
            d = array(places[1] + n * units * itemsize, units, scratch)
            _fill(strands, 0.0)
            _fill(masses, 0.0)
            for block in range(whole):
                for lane in range(STRANDS):
                    j = block * STRANDS + lane
                    strands[lane] += d[j] * (normaliser - x[j])
                    masses[lane] += d[j]
            for lane in range(units - whole * STRANDS):
                j = whole * STRANDS + lane
                strands[lane] += d[j] * (normaliser - x[j])
                masses[lane] += d[j]
            loss, mass = _sum(strands, units), _sum(masses, units)
        typed_array(places[2], samples, np.float64)[n] = loss
        if p[5]:
            gradient = array(places[3] + n * units * itemsize, units, scratch)
            factor, share = mass / (total * samples), 1.0 / samples
            if p[4]:
                for j in range(units):
                    gradient[j] = factor * powers[j]
                if units > 1:
                    gradient[label] = factor * powers[label] - share
                else:
                    gradient[0] = factor * powers[0] - share * label
            else:
                for j in range(units):
                    gradient[j] = factor * powers[j] - share * d[j]


def _sigmoid_cross_entropy(p, first, last, shared, scratch):
    """C = −Σ_j [d_j log p_j + (1 − d_j) log(1 − p_j)], with p = sigmoid(x); dC/dx_j = p_j − d_j.

    Each term is max(x, 0) − d x + log(1 + e^−|x|), which cannot overflow. The sum of the logarithms is taken as
    the logarithm of a product: its factors are at most 2, so that one logarithm, the costliest part, serves for
    `CHUNK` units.
    """
    places, samples, units, itemsize = typed_array(p[0], 4, np.int64), p[1], p[2], p[3]
    own = place(scratch)
    strands, factors = typed_array(own, STRANDS, np.float64), typed_array(own + STRANDS * 8, STRANDS, np.float64)
    powers = typed_array(own + STRANDS * 16, units, np.float64)
    share = 1.0 / samples
    for n in range(first, last):
        x = array(places[0] + n * units * itemsize, units, scratch)
        d = _wanted(p, n, own + STRANDS * 16 + units * 8, scratch)
        for j in range(units):
            powers[j] = wide_exp(-abs(np.float64(x[j])), x[j])
        _fill(strands, 0.0)
        logarithms = 0.0
        for start in range(0, units, CHUNK):
            size = min(CHUNK, units - start)
            _fill(factors, 1.0)
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
        typed_array(places[2], samples, np.float64)[n] = _sum(strands, units) + logarithms
        if p[5]:
            gradient = array(places[3] + n * units * itemsize, units, scratch)
            for j in range(units):
                p_j = (1.0 if x[j] >= 0 else powers[j]) / (1.0 + powers[j])
                gradient[j] = share * (p_j - d[j])


def _mean_squared_error(p, first, last, shared, scratch):
    """C = ½ Σ_j (x_j − d_j)²; dC/dx_j = x_j − d_j."""
    places, samples, units, itemsize = typed_array(p[0], 4, np.int64), p[1], p[2], p[3]
    own = place(scratch)
    strands = typed_array(own, STRANDS, np.float64)
    for n in range(first, last):
        x = array(places[0] + n * units * itemsize, units, scratch)
        d = _wanted(p, n, own + STRANDS * 16, scratch)
        _fill(strands, 0.0)
        for block in range(units // STRANDS):
            for lane in range(STRANDS):
                difference = np.float64(x[block * STRANDS + lane]) - np.float64(d[block * STRANDS + lane])
                strands[lane] += difference * difference
        for lane in range(units % STRANDS):
            j = units // STRANDS * STRANDS + lane
            difference = np.float64(x[j]) - np.float64(d[j])
            strands[lane] += difference * difference
        typed_array(places[2], samples, np.float64)[n] = 0.5 * _sum(strands, units)
        if p[5]:
            gradient = array(places[3] + n * units * itemsize, units, scratch)
            share = x.dtype.type(1.0 / samples)
            for j in range(units):
                gradient[j] = share * (x[j] - d[j])


softmax_cross_entropy = BatchLoss(_softmax_cross_entropy)
sigmoid_cross_entropy = BatchLoss(_sigmoid_cross_entropy)
mean_squared_error = BatchLoss(_mean_squared_error)
