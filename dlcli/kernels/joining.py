"""Several arrays into one: sums and products, value by value, and rows side by side."""

from collections.abc import Sequence
from typing import Any

import numpy.typing as npt

from dlcli.kernels import activation
from dlcli.kernels.launch import Kernel, Launch, Planned, array, matrix

Array = npt.NDArray[Any]

SERIAL = 50_000  # numbers below which waking the threads costs more than it saves
PIECE = 4096  # numbers of a task


def _add(p, first, last, shared, scratch):
    itemsize = array(p[0], 1, scratch).itemsize
    for task in range(first, last):
        offset, size = task * PIECE * itemsize, min(PIECE, p[3] - task * PIECE)
        a, b = array(p[0] + offset, size, scratch), array(p[1] + offset, size, scratch)
        y = array(p[2] + offset, size, scratch)
        for i in range(size):
            y[i] = a[i] + b[i]
        activation.activate(p[4], p[5], p[2] + offset, size)


def _multiply(p, first, last, shared, scratch):
    begin, end = first * PIECE, min(last * PIECE, p[3])
    a, b, y = array(p[0], p[3], scratch), array(p[1], p[3], scratch), array(p[2], p[3], scratch)
    for i in range(begin, end):
        y[i] = a[i] * b[i]


def _columns(p, first, last, shared, scratch):
    source, target = matrix(p[0], p[2], p[3], scratch), matrix(p[1], p[2], p[4], scratch)
    for row in range(first * p[8], min(last * p[8], p[2])):
        for column in range(p[7]):
            target[row, p[6] + column] = source[row, p[5] + column]


_ADD, _MULTIPLY, _COLUMNS = Kernel(_add), Kernel(_multiply), Kernel(_columns)


def _value_by_value(kernel: Kernel, a: Array, b: Array, y: Array, *more: int) -> Launch:
    tasks = -(-y.size // PIECE)
    return Launch(kernel, y.dtype, tasks, (a, b, y, y.size, *more), parallel=y.size >= SERIAL)


@Planned
def add(function: int, inputs: Sequence[Array], y: Array) -> list[Launch]:
    """y ← f(Σ inputs), added in their order; two arrays at least, contiguous and of one shape; y may be the first."""
    before, launches = inputs[0], []
    for place, x in enumerate(inputs[1:], 2):
        code = function if place == len(inputs) else activation.LINEAR
        launches.append(_value_by_value(_ADD, before, x, y, activation.address(y.itemsize), code))
        before = y
    return launches


@Planned
def multiply(inputs: Sequence[Array], y: Array) -> list[Launch]:
    """y ← Π inputs, in their order; two arrays at least, contiguous and of one shape; y may be the first."""
    before, launches = inputs[0], []
    for x in inputs[1:]:
        launches.append(_value_by_value(_MULTIPLY, before, x, y))
        before = y
    return launches


@Planned
def columns(source: Array, first: int, target: Array, start: int, width: int) -> list[Launch]:
    """Columns from ``first`` of ``source`` (rows, …) into ``target`` (rows, …), at ``start``; ``width`` of them."""
    rows = max(1, PIECE // width)  # of a task
    arguments = (source, target, len(source), source.shape[1], target.shape[1], first, start, width, rows)
    tasks, parallel = -(-len(source) // rows), len(source) * width >= SERIAL
    return [Launch(_COLUMNS, target.dtype, tasks, arguments, parallel=parallel)]
