"""Damped steps of mean field: units' means go a part of the way to what is asked of them."""

from typing import Any

import numpy.typing as npt

from dlcli.kernels.addresses import array, number
from dlcli.kernels.launch import Kernel, Launch, Planned

Array = npt.NDArray[Any]

SERIAL = 50_000  # means below which waking the threads costs more than it saves


def _approach(p, first, last, shared, scratch):
    units, count, itemsize = p[2], p[3], array(p[0], 1, scratch).itemsize
    for n in range(first, last):
        asked = array(p[1] + n * count * itemsize, count, scratch)
        means = array(p[0] + (n * units + units - count) * itemsize, count, scratch)
        share = means.dtype.type(number(p[4]))
        for i in range(count):
            means[i] += share * (asked[i] - means[i])


_APPROACH = Kernel(_approach)


@Planned
def approach(s: Array, asked: Array, share: float) -> list[Launch]:
    """h += share · (asked − h), h (N, count) being the last columns of s (N, units), and asked (N, count)."""
    arguments = (s, asked, s.shape[1], asked.shape[1], float(share))
    return [Launch(_APPROACH, s.dtype, len(s), arguments, parallel=asked.size >= SERIAL)]
