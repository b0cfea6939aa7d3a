"""Several arrays into one: sums and products, value by value, and rows side by side."""

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy.typing as npt
from numba import types
from numba.core.cgutils import raw_memcpy
from numba.extending import intrinsic

from dlcli.kernels import activation
from dlcli.kernels.addresses import array
from dlcli.kernels.launch import Kernel, Launch, Planned
from dlcli.kernels.vectors import JIT_OFF

Array = npt.NDArray[Any]

SERIAL = 50_000  # numbers below which waking the threads costs more than it saves
PIECE = 4096  # numbers of a task
MOVE = 7  # numbers of a record that say what is copied


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


@intrinsic
def _copy_bytes(typing, source, target, size):
    def codegen(context, builder, signature, arguments):
        source, target, size = arguments
        byte = context.get_value_type(types.voidptr)
        raw_memcpy(builder, builder.inttoptr(target, byte), builder.inttoptr(source, byte), size, 1)
        return context.get_dummy_value()

    return types.void(types.intp, types.intp, types.intp), codegen


def _copy_bytes_twin(source, target, size):
    ctypes.memmove(target, source, size)


# copy_bytes(source, target, size): from one address to another, by the C library's memcpy.
copy_bytes: Any = _copy_bytes_twin if JIT_OFF else _copy_bytes


def _columns(p, first, last, shared, scratch):
    """Row by row, every matrix in turn, so that one that is put together is written in one go."""
    size = array(p[3], 1, scratch).itemsize
    for row in range(first * p[1], min(last * p[1], p[0])):
        for move in range(3, 3 + MOVE * p[2], MOVE):
            source, target = row * p[move + 1] + p[move + 2], row * p[move + 4] + p[move + 5]
            copy_bytes(p[move] + size * source, p[move + 3] + size * target, size * p[move + 6])


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
def columns(moves: Sequence[tuple[Array, int, Array, int, int]]) -> list[Launch]:
    """For each (source, first, target, start, width): columns of ``source`` (rows, …) from ``first`` on, ``width`` of
    them, into ``target`` (rows, …) at ``start``; all have as many rows.
    """
    if not moves:
        return []
    rows, width, dtype = len(moves[0][0]), sum(move[4] for move in moves), moves[0][0].dtype
    together = max(1, PIECE // width)  # rows of a task
    arguments: list[Any] = [rows, together, len(moves)]
    for source, first, target, start, own in moves:
        arguments += (source, source.shape[1], first, target, target.shape[1], start, own)
    parallel = rows * width >= SERIAL
    return [Launch(_COLUMNS, dtype, -(-rows // together), tuple(arguments), parallel=parallel)]
