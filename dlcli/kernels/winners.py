"""The k largest numbers of each sample (A. Makhzani, B. Frey, "k-Sparse autoencoders" (2013))."""

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from dlcli.kernels.addresses import array, place, typed_array
from dlcli.kernels.launch import Kernel, Launch, Planned

Array = npt.NDArray[Any]

SERIAL = 4_000  # numbers below which waking the threads costs more than it saves
SIGN, ALL, ONE = np.uint64(1 << 63), np.uint64((1 << 64) - 1), np.uint64(1)
EMPTY = 29  # of a float64 that was a float32: bits that say nothing


@njit
def _order(x, keys):
    """keys ← unsigned integers in the order of x: of negative numbers the bits, turned round; NaN is above all."""
    for i in range(x.size):
        bits = np.float64(np.float64(x[i]) + 0.0).view(np.uint64)  # −0 becomes 0
        keys[i] = ALL if x[i] != x[i] else (~bits if bits & SIGN else bits | SIGN)


@njit
def _kth(keys, k, lowest):
    """The k-th largest key, the lowest bits left out, and how many keys are larger.

    Bit by bit from the highest: a bit is 1 if k keys reach what it then stands for. The last that were fewer than k
    reached the next larger number: they are the larger keys.
    """
    found, above = np.uint64(0), np.int64(0)
    for bit in range(63, lowest - 1, -1):
        candidate, count = found | (ONE << np.uint64(bit)), np.int64(0)
        for i in range(keys.size):
            count += np.int64(keys[i] >= candidate)
        if count >= k:
            found = candidate
        else:
            above = count
    return found, above


def _winners(p, first, last, shared, scratch):
    k, units = p[3], p[4]
    size, keys = array(p[0], 1, scratch).itemsize, typed_array(place(scratch), units, np.uint64)
    lowest = EMPTY if size == 4 else 0
    for n in range(first, last):
        row = n * units * size
        x, y = array(p[0] + row, units, scratch), array(p[1] + row, units, scratch)
        wins, zero = typed_array(p[2] + n * units, units, np.uint8), y.dtype.type(0)
        _order(x, keys)
        least, above = _kth(keys, k, lowest)
        equals = k - above  # places for those that are as large as the k-th
        for i in range(units):
            tied = (keys[i] >> np.uint64(lowest)) == (least >> np.uint64(lowest))
            wins[i] = (keys[i] > least) & ~tied | (tied & (equals > 0))
            equals -= np.int64(tied)
            y[i] = x[i] if wins[i] else zero


_WINNERS = Kernel(_winners)


@Planned
def winners(x: Array, k: int, y: Array, wins: Array) -> list[Launch]:
    """y ← x where it is among the k largest of its sample, else 0; wins (N, units) uint8 ← 1 there.

    Of equals the first win; NaN is larger than all.
    """
    arguments = (x, y, wins, k, x.shape[1])
    return [Launch(_WINNERS, x.dtype, len(x), arguments, parallel=x.size >= SERIAL, scratch=8 * x.shape[1])]
