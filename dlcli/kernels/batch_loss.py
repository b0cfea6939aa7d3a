"""What all loss kernels share: how they are launched, what each sample wants, and in which order it is summed.

Throughout: x (N, units) holds the network's outputs; targets are (N,) class indices or (N, units) numbers;
losses (N,) float64 ← each sample's loss; gradient (N, units) ← d(mean loss) / dx, or is empty where it is not
wanted. Every sum runs over one sample, in float64, in an order that the number of units alone decides: unit j goes to
strand j mod `STRANDS`, and the strands are added in order. Neither the threads nor the rest of the batch can change
its bits.
"""

import threading
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from dlcli.kernels.addresses import array, typed_array
from dlcli.kernels.launch import Kernel, Launch, address_of

Array = npt.NDArray[Any]

STRANDS = 16
SERIAL = 10_000  # units of a batch below which waking the threads costs more than it saves
CHUNK = 63 * STRANDS  # factors of at most 2 whose product stays finite in float64


@njit(error_model="numpy")
def fill(row, value):
    """Each number of the row ← value."""
    for i in range(row.size):
        row[i] = value


@njit(error_model="numpy")
def largest_of(row, strands):
    """The largest number of a row that has no NaN."""
    if row.size < STRANDS:
        alone = np.float64(row[0])
        for j in range(row.size):
            alone = row[j] if row[j] > alone else alone
        return alone
    fill(strands, row[0])
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


@njit(error_model="numpy")
def sum_of(strands, units):
    """The sum of the strands, in order; those that no unit went to are zero."""
    total = 0.0
    for lane in range(min(STRANDS, units)):
        total += strands[lane]
    return total


@njit(error_model="numpy")
def sum_in_strands(terms, strands):
    """The sum of a row of float64, which goes through the strands."""
    fill(strands, 0.0)
    whole = terms.size // STRANDS
    for block in range(whole):
        for lane in range(STRANDS):
            strands[lane] += terms[block * STRANDS + lane]
    for lane in range(terms.size - whole * STRANDS):
        strands[lane] += terms[whole * STRANDS + lane]
    return sum_of(strands, terms.size)


@njit(error_model="numpy")
def one_hot(label, d):
    """d ← 1 for the class and 0 for the others; a single unit stands for class 1 of two."""
    fill(d, 0)
    if d.size == 1:
        d[0] = label
    else:
        d[label] = 1


@njit(error_model="numpy")
def wanted(p, n, own, scratch):
    """What sample n wants of its units; classes are written out at ``own``."""
    places, units = typed_array(p[0], 5, np.int64), p[2]
    if not p[4]:
        return array(places[1] + n * units * p[3], units, scratch)
    d = array(own, units, scratch)
    one_hot(typed_array(places[1], p[1], np.int64)[n], d)
    return d


@njit(error_model="numpy")
def weight_of(p, n, scratch):
    """What sample n counts; of one that counts nothing, whatever its outputs, loss and gradient are written here."""
    if not p[6]:
        return 1.0
    places, samples, units = typed_array(p[0], 5, np.int64), p[1], p[2]
    weight = typed_array(places[4], samples, np.float64)[n]
    if weight == 0.0:
        typed_array(places[2], samples, np.float64)[n] = 0.0
        if p[5]:
            fill(array(places[3] + n * units * p[3], units, scratch), 0)
    return weight


class Counting(NamedTuple):
    """What samples count by their class: the weight of each class, and the class whose samples count nothing."""

    weights: tuple[float, ...] | None = None
    ignored: int | None = None


ALL_ALIKE = Counting()


class BatchLoss:
    """A loss of a batch: called with (x, targets, losses, gradient), arrays that need not stay where they are.

    A launch is kept for sizes, types and options. Class indices and losses pass through buffers of its own; the
    addresses of the other arrays are written anew where they have changed.
    """

    def __init__(self, body: Callable[..., None]) -> None:
        self._kernel = Kernel(body)
        self._planned = threading.local()
        self.__doc__ = body.__doc__

    def __call__(
        self,
        x: Array,
        targets: Array,
        losses: Array,
        gradient: Array,
        option: float = 0.0,
        counting: Counting = ALL_ALIKE,
    ) -> None:
        """``option`` is the kernel's own; ``counting`` is for classes only."""
        if targets.ndim == 1 and targets.dtype.kind == "f":
            targets = targets.reshape(-1, 1)
        _check(x, targets, gradient, counting)
        kept: dict[Any, _Batch] = self._planned.__dict__
        key = (x.shape, x.itemsize, targets.ndim, gradient.size, option, counting)
        batch = kept.get(key)
        if batch is None:
            batch = kept[key] = _Batch(self._kernel, x, targets.ndim == 1, gradient.size > 0, option, counting)
        batch.run(x, targets, losses, gradient)


class _Batch:
    """A loss for batches of one size.

    Its record: addresses of x, targets, losses, gradient and the samples' weights; sizes; flags; the option.
    """

    def __init__(
        self, kernel: Kernel, x: Array, classes: bool, wants_gradient: bool, option: float, counting: Counting
    ) -> None:
        samples, units = x.shape
        self._dtype = x.dtype
        self._losses = np.empty(samples)
        self._classes = np.empty(samples if classes else 0, np.int64)
        self._by_class = None if counting is ALL_ALIKE else _weights(counting, units)
        self._weights = np.empty(0 if self._by_class is None else samples)
        self._places = np.zeros(5, np.int64)
        for place, held in ((1, self._classes), (2, self._losses), (4, self._weights)):
            self._places[place] = address_of(held)
        self._seen: list[Any] = [_nothing, _nothing]
        self._wants_gradient = wants_gradient
        weighted = self._by_class is not None
        arguments = (self._places, samples, units, x.itemsize, classes, wants_gradient, weighted, float(option))
        size = STRANDS * 16 + 2 * units * 8
        self._launch = Launch(kernel, x.dtype, samples, arguments, parallel=x.size >= SERIAL, scratch=size)

    def run(self, x: Array, targets: Array, losses: Array, gradient: Array) -> None:
        if self._classes.size:
            np.copyto(self._classes, targets)
            if self._by_class is not None:
                np.take(self._by_class, self._classes, out=self._weights, mode="clip")
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


def _weights(counting: Counting, units: int) -> Array:
    """(classes,) float64: what a sample of each class counts."""
    weights = np.ones(max(units, 2) + 1)  # perhaps an ignored class comes after those of the outputs
    if counting.weights is not None:
        weights[: len(counting.weights)] = counting.weights
    if counting.ignored is not None:
        weights[counting.ignored] = 0.0
    return weights


def _check(x: Array, targets: Array, gradient: Array, counting: Counting) -> None:
    """Raise ValueError for what kernels, which see addresses only, would read or write outside of an array."""
    if gradient.size and not (gradient.flags.c_contiguous and (gradient.shape, gradient.dtype) == (x.shape, x.dtype)):
        raise ValueError(
            f"the gradient must be contiguous, {x.shape} {x.dtype}, found {gradient.shape} {gradient.dtype}"
        )
    if targets.shape != (x.shape if targets.ndim > 1 else x.shape[:1]):
        raise ValueError(f"found targets of shape {targets.shape} for outputs of shape {x.shape}")
    classes = max(x.shape[1], 2)
    if counting is not ALL_ALIKE:
        if targets.ndim > 1:
            raise ValueError("found numbers as targets, expected classes: they alone have weights or are ignored")
        if len(counting.weights or ()) > classes + 1 or (counting.ignored or 0) > classes:
            raise ValueError(f"found {counting} for {x.shape[1]} outputs")
        classes += counting.ignored == classes
    if targets.ndim == 1 and targets.size and not 0 <= targets.min() <= targets.max() < classes:
        raise ValueError(f"found classes from {targets.min()} to {targets.max()} for {x.shape[1]} outputs")


def _nothing() -> None:
    return None
