"""The classes' negative free energies in an RBM whose visible units are the samples and a group of class labels.

    y_k = d_k + Σ_j softplus(a_j + u_kj),  a = c + v W

so that softmax(y) is p(class | v) exactly (Larochelle and Bengio 2008, eq. 2). The sums over j run in strands, those
of the gradients over the batch in its order.
"""

from typing import Any

import numpy.typing as npt
from numba import njit

from dlcli.kernels.addresses import array, place
from dlcli.kernels.constants import COLUMNS
from dlcli.kernels.exponential import exp, log1p, sigmoid
from dlcli.kernels.launch import Kernel, Launch, Planned
from dlcli.kernels.strands import sum_of

Array = npt.NDArray[Any]

SERIAL = 20_000  # terms below which waking the threads costs more than it saves


@njit(error_model="numpy")
def _softplus_row(a, u, out):
    for j in range(out.size):
        x = a[j] + u[j]
        tail = log1p(exp(-abs(x)))
        out[j] = tail if x < 0 else x + tail


@njit(error_model="numpy")
def _back_row(slope, a, u, da, du):
    for j in range(a.size):
        g = slope * sigmoid(a[j] + u[j])
        da[j] += g
        du[j] += g


def _forward(p, first, last, shared, scratch):
    units, classes, itemsize = p[4], p[5], array(p[0], 1, scratch).itemsize
    row, d = array(place(scratch), units, scratch), array(p[2], classes, scratch)
    for n in range(first, last):
        a, y = (
            array(p[0] + n * units * itemsize, units, scratch),
            array(p[3] + n * classes * itemsize, classes, scratch),
        )
        for k in range(classes):
            _softplus_row(a, array(p[1] + k * units * itemsize, units, scratch), row)
            y[k] = d[k] + sum_of(place(scratch), units, scratch)


_FORWARD = Kernel(_forward)


@Planned
def forward(a: Array, u: Array, d: Array, y: Array) -> list[Launch]:
    """y (N, classes), for a (N, units), u (classes, units), d (classes,)."""
    units, classes = a.shape[1], len(u)
    parallel = a.size * classes >= SERIAL
    scratch = a.itemsize * units
    return [Launch(_FORWARD, a.dtype, len(a), (a, u, d, y, units, classes), parallel=parallel, scratch=scratch)]


def _backward(p, first, last, shared, scratch):
    samples, units, classes, itemsize = p[5], p[6], p[7], array(p[0], 1, scratch).itemsize
    zero = array(p[0], 1, scratch).dtype.type(0)
    for task in range(first, last):
        begin = task * COLUMNS
        size, start = min(COLUMNS, units - begin), begin * itemsize
        for k in range(classes):
            du = array(p[4] + k * units * itemsize + start, size, scratch)
            for j in range(size):
                du[j] = zero
        for n in range(samples):
            a = array(p[0] + n * units * itemsize + start, size, scratch)
            da = array(p[3] + n * units * itemsize + start, size, scratch)
            dy = array(p[2] + n * classes * itemsize, classes, scratch)
            for j in range(size):
                da[j] = zero
            for k in range(classes):
                u = array(p[1] + k * units * itemsize + start, size, scratch)
                _back_row(dy[k], a, u, da, array(p[4] + k * units * itemsize + start, size, scratch))


_BACKWARD = Kernel(_backward)


@Planned
def backward(a: Array, u: Array, dy: Array, da: Array, du: Array) -> list[Launch]:
    """da (N, units) and du (classes, units) ← the gradients by a and u."""
    units, classes = a.shape[1], len(u)
    arguments = (a, u, dy, da, du, len(a), units, classes)
    return [Launch(_BACKWARD, a.dtype, -(-units // COLUMNS), arguments, parallel=a.size * classes >= SERIAL)]
