"""Sums of gradients: where an output goes to several layers, their contributions are added."""

from typing import Any

import numpy.typing as npt

from dlcli.kernels.addresses import array
from dlcli.kernels.launch import Kernel, Launch, Planned

Array = npt.NDArray[Any]

SERIAL = 50_000  # numbers below which waking the threads costs more than it saves
PIECE = 4096  # numbers of a task


def _add(p, first, last, shared, scratch):
    to, values = array(p[0], p[2], scratch), array(p[1], p[2], scratch)
    for i in range(first * PIECE, min(last * PIECE, p[2])):
        to[i] += values[i]


_ADD = Kernel(_add)


@Planned
def add(to: Array, values: Array) -> list[Launch]:
    """``to`` += ``values``: contiguous, of one size and type."""
    if (to.size, to.dtype) != (values.size, values.dtype):
        raise ValueError(f"found {values.size} numbers of {values.dtype}, expected {to.size} of {to.dtype}")
    arguments = (to, values, to.size)
    return [Launch(_ADD, to.dtype, -(-to.size // PIECE), arguments, parallel=to.size >= SERIAL)]
