"""Weights of some connections only, and the dense weights that a convolution's kernels take.

A table says which of a convolution's C · F pairs of channel and filter are connected. ``weights`` (KH, KW, connections)
are the trained ones, ``expanded`` (KH, KW, C, F) has zeros everywhere else.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from dlcli.kernels import dense
from dlcli.kernels.addresses import array, place, typed_array
from dlcli.kernels.launch import Kernel, Launch, Planned
from dlcli.kernels.sink import settle

Array = npt.NDArray[Any]


def _expand(p, first, last, shared, scratch):
    """Places ``first`` … ``last`` of the kernel; for `p` see `expand`."""
    connections, pairs, itemsize = p[3], p[4], p[5]
    which = typed_array(p[1], pairs, np.int64)
    for task in range(first, last):
        weights = array(p[0] + task * connections * itemsize, connections, scratch)
        expanded = array(p[2] + task * pairs * itemsize, pairs, scratch)
        for pair in range(pairs):
            expanded[pair] = 0 if which[pair] < 0 else weights[which[pair]]


_EXPAND = Kernel(_expand)


@Planned
def expand(weights: Array, which: Array, expanded: Array) -> list[Launch]:
    """expanded ← weights; which (C · F,) int64: the connection of each pair, −1 where there is none."""
    places, pairs = expanded.shape[0] * expanded.shape[1], expanded.shape[2] * expanded.shape[3]
    if which.shape != (pairs,) or weights.shape[:2] != expanded.shape[:2] or which.max() >= weights.shape[2]:
        raise ValueError(f"found weights {weights.shape} and {which.shape} pairs for {expanded.shape}")
    arguments = (weights, which, expanded, weights.shape[2], pairs, weights.itemsize)
    return [Launch(_EXPAND, weights.dtype, places, arguments, parallel=expanded.size >= dense.SERIAL)]


def _collect(p, first, last, shared, scratch):
    """Places ``first`` … ``last`` of the kernel; for `p` see `collect`."""
    connections, pairs, itemsize = p[6], p[7], p[8]
    pair_of, constants = typed_array(p[1], connections, np.int64), array(p[5], 3, scratch)
    own = array(place(scratch), connections, scratch)
    for task in range(first, last):
        gradient = array(p[0] + task * pairs * itemsize, pairs, scratch)
        for n in range(connections):
            own[n] = gradient[pair_of[n]]
        start = task * connections * itemsize
        target, velocity = array(p[3] + start, connections, scratch), array(p[4] + start, connections, scratch)
        settle(p[2], own, target, velocity, constants)


_COLLECT = Kernel(_collect)


@Planned
def collect(
    gradient: Array, pair_of: Array, kind: int, target: Array, velocity: Array, constants: Array
) -> list[Launch]:
    """The gradient (KH, KW, C, F) of expanded weights, sent to a sink of (KH, KW, connections).

    pair_of (connections,) int64: the pair c · F + f of each connection.
    """
    places, pairs = gradient.shape[0] * gradient.shape[1], gradient.shape[2] * gradient.shape[3]
    if target.shape != (*gradient.shape[:2], *pair_of.shape) or pair_of.max() >= pairs:
        raise ValueError(f"found a target {target.shape} and {pair_of.shape} connections for {gradient.shape}")
    arguments = (gradient, pair_of, kind, target, velocity, constants, pair_of.size, pairs, gradient.itemsize)
    parallel, scratch = gradient.size >= dense.SERIAL, pair_of.size * gradient.itemsize
    return [Launch(_COLLECT, gradient.dtype, places, arguments, parallel=parallel, scratch=scratch)]
