"""Random states of stochastic units, drawn from their probabilities or about their means.

A draw has an address: element j of sample n in step t takes its word from Philox counter (j / 4, n, t, 0), see
`dlcli.kernels.philox`; so states depend neither on the threads nor on how a product was cut into blocks. Normal numbers
are those of `dlcli.kernels.noise`.
"""

import functools
from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from dlcli.kernels import machine_code, noise, vectors
from dlcli.kernels.addresses import array, number, place, typed_array
from dlcli.kernels.constants import COLUMNS
from dlcli.kernels.exponential import exp, sigmoid
from dlcli.kernels.launch import Kernel, Launch, Planned
from dlcli.kernels.philox import block, draw, held, signed
from dlcli.kernels.sink import UPDATE, settle

Array = npt.NDArray[Any]

SERIAL = 8_000  # states below which waking the threads costs more than it saves
STEP24, EIGHT = 2.0**-24, np.uint32(8)  # uniform numbers are the upper 24 bits of a word, which float32 holds exactly
STEP32 = 2.0**-32
NORMAL, RECTIFIED = range(2)
STRANDS = 16  # partial sums of a long sum, added in order


@njit(error_model="numpy")
def binary_row(key, step, n, first, p, out, words):
    """out ← 1 with probability p, else 0: columns ``first`` (a multiple of 4) … of sample n; words: scratch, ≥ p."""
    quads = (p.size + 3) // 4
    draw(key, step, n, first // 4, words[: 4 * quads])
    scale, zero, one = p.dtype.type(STEP24), p.dtype.type(0), p.dtype.type(1)
    for i in range(p.size):
        out[i] = one if p.dtype.type(np.int32(words[i] >> EIGHT)) * scale < p[i] else zero


def _binary32(key, step, n, first, size, p, out, words):
    binary_row(
        np.uint64(key), np.int64(step), n, first, typed_array(p, size, np.float32),
        typed_array(out, size, np.float32), typed_array(words, size + 4, np.uint32),
    )  # fmt: skip


def _binary64(key, step, n, first, size, p, out, words):
    binary_row(
        np.uint64(key), np.int64(step), n, first, typed_array(p, size, np.float64),
        typed_array(out, size, np.float64), typed_array(words, size + 4, np.uint32),
    )  # fmt: skip


@functools.cache
def address(itemsize: int) -> int:
    """`binary_row` of float32 (4) or float64 (8) as a C function, for the store of a product."""
    if vectors.JIT_OFF:
        return itemsize
    return machine_code.address(_binary32 if itemsize == 4 else _binary64, types.void(*[types.intp] * 8))


@intrinsic
def _call(typing, function, key, step, n, first, size, p, out, words):
    def codegen(context, builder, signature, arguments):
        kind = ir.FunctionType(ir.VoidType(), [vectors.I64] * 8).as_pointer()
        builder.call(builder.inttoptr(arguments[0], kind), arguments[1:])
        return context.get_dummy_value()

    return types.void(*[types.intp] * 9), codegen


def _call_twin(itemsize, key, step, n, first, size, p, out, words):
    p, out = (vectors.view(start, (1, size), (size, 1), itemsize)[0] for start in (p, out))
    binary_row(np.uint64(key), step, n, first, p, out, typed_array(words, size + 4, np.uint32))


# sample(address, key, step, n, first, size, p, out, words): `binary_row` on integer addresses.
sample: Any = _call_twin if vectors.JIT_OFF else _call


def _binary_rows(p, first, last, shared, scratch):
    key, step, units = np.uint64(p[0]), typed_array(p[1], 1, np.int64)[0], p[4]
    itemsize = array(p[2], 1, scratch).itemsize
    words = typed_array(place(scratch), units + 4, np.uint32)
    for n in range(first, last):
        mean = array(p[2] + n * units * itemsize, units, scratch)
        binary_row(key, step, n, 0, mean, array(p[3] + n * units * itemsize, units, scratch), words)


_BINARY = Kernel(_binary_rows)


@Planned
def binary(key: int, step: Array | int, p: Array, out: Array) -> list[Launch]:
    """out (N, units) ← 1 with probability p (N, units), else 0; out may be p."""
    arguments = (signed(key), held(step), p, out, p.shape[1])
    parallel = p.size >= SERIAL
    return [Launch(_BINARY, p.dtype, len(p), arguments, parallel=parallel, scratch=4 * (p.shape[1] + 4))]


def _noisy_rows(p, first, last, shared, scratch):
    key, step, units, kind = np.uint64(p[0]), typed_array(p[1], 1, np.int64)[0], p[5], p[6]
    itemsize, words = array(p[2], 1, scratch).itemsize, typed_array(place(scratch), 4 * ((units + 3) // 4), np.uint32)
    deviation = array(p[4], units, scratch)
    for n in range(first, last):
        x = array(p[2] + n * units * itemsize, units, scratch)
        out = array(p[3] + n * units * itemsize, units, scratch)
        draw(key, step, n, 0, words)
        if kind == RECTIFIED:
            for i in range(units):
                drawn = x[i] + np.sqrt(sigmoid(x[i])) * noise.normal(words[i], x[i])
                out[i] = max(drawn, out.dtype.type(0))
        else:
            for i in range(units):
                out[i] = x[i] + deviation[i] * noise.normal(words[i], x[i])


_NOISY = Kernel(_noisy_rows)


def _noisy(key: int, step: Array | int, x: Array, out: Array, deviation: Array, kind: int) -> list[Launch]:
    arguments = (signed(key), held(step), x, out, deviation, x.shape[1], kind)
    scratch = 4 * (x.shape[1] + 4)
    return [Launch(_NOISY, x.dtype, len(x), arguments, parallel=x.size >= SERIAL // 4, scratch=scratch)]


@Planned
def normal(key: int, step: Array | int, mean: Array, deviation: Array, out: Array) -> list[Launch]:
    """out (N, units) ← normal numbers of the given means (N, units) and deviations (units,); out may be ``mean``."""
    return _noisy(key, step, mean, out, deviation, NORMAL)


@Planned
def rectified(key: int, step: Array | int, x: Array, out: Array) -> list[Launch]:
    """out ← max(0, x + √sigmoid(x) · a normal number): noisy rectified units (Nair and Hinton 2010, section 2)."""
    return _noisy(key, step, x, out, x, RECTIFIED)


def _softmax_rows(p, first, last, shared, scratch):
    key, step, units, size = np.uint64(p[0]), typed_array(p[1], 1, np.int64)[0], p[5], p[6]
    itemsize = array(p[2], 1, scratch).itemsize
    zero, one = array(p[2], 1, scratch).dtype.type(0), array(p[2], 1, scratch).dtype.type(1)
    for n in range(first, last):
        for group in range(units // size):
            begin = (n * units + group * size) * itemsize
            x, mean = array(p[2] + begin, size, scratch), array(p[3] + begin, size, scratch)
            out = array(p[4] + begin, size, scratch)
            most, total = x[0], zero
            for i in range(size):
                most = max(most, x[i])
            for i in range(size):
                mean[i] = exp(x[i] - most)
                total += mean[i]
            w0, _, _, _ = block(key, np.uint32(group), np.uint32(n), np.uint32(step), np.uint32(0))
            left, chosen = (np.float64(w0) + 0.5) * STEP32, -1
            for i in range(size):
                mean[i] /= total
                left -= mean[i]
                if left < 0 and chosen < 0:
                    chosen = i
            chosen = size - 1 if chosen < 0 else chosen
            for i in range(size):
                out[i] = one if i == chosen else zero


_SOFTMAX = Kernel(_softmax_rows)


@Planned
def softmax(key: int, step: Array | int, size: int, x: Array, mean: Array, out: Array) -> list[Launch]:
    """One of each group of ``size`` units is on: out (N, units) ← which, mean ← the probabilities e^x / Σ e^x."""
    arguments = (signed(key), held(step), x, mean, out, x.shape[1], size)
    return [Launch(_SOFTMAX, x.dtype, len(x), arguments, parallel=x.size >= SERIAL)]


def _scale_rows(p, first, last, shared, scratch):
    units, itemsize, split = p[1], array(p[0], 1, scratch).itemsize, p[2]
    before, after = number(p[3]), number(p[4])
    for n in range(first, last):
        row = array(p[0] + n * units * itemsize, units, scratch)
        factor = row.dtype.type(before if n < split else after)
        for i in range(units):
            row[i] *= factor


_SCALE = Kernel(_scale_rows)


@Planned
def weigh(h: Array, split: int, before: float, after: float) -> list[Launch]:
    """h (N, units) · ``before`` in its first ``split`` rows, · ``after`` in the others."""
    arguments = (h, h.shape[1], split, float(before), float(after))
    return [Launch(_SCALE, h.dtype, len(h), arguments, parallel=h.size >= 4 * SERIAL)]


def _add_rows(p, first, last, shared, scratch):
    units, itemsize = p[2], array(p[0], 1, scratch).itemsize
    addend = array(p[1], units, scratch)
    for n in range(first, last):
        row = array(p[0] + n * units * itemsize, units, scratch)
        for i in range(units):
            row[i] += addend[i]


_ADD = Kernel(_add_rows)


@Planned
def add_to_rows(h: Array, addend: Array) -> list[Launch]:
    """h (N, units) += addend (units,)."""
    return [Launch(_ADD, h.dtype, len(h), (h, addend, h.shape[1]), parallel=h.size >= 4 * SERIAL)]


def _contrast_columns(p, first, last, shared, scratch):
    rows, units, split, kind = p[1], p[2], p[3], p[4]
    constants = array(p[7], 3, scratch)
    size = constants.itemsize
    data, chains = array(place(scratch), COLUMNS, scratch), array(place(scratch) + COLUMNS * size, COLUMNS, scratch)
    for task in range(first, last):
        home = size * COLUMNS * task
        width = min(COLUMNS, units - COLUMNS * task)
        for i in range(width):
            data[i] = 0
            chains[i] = 0
        for n in range(rows):
            row, sums = array(p[0] + home + size * n * units, width, scratch), data if n < split else chains
            for i in range(width):
                sums[i] += row[i]
        of_data, of_chains = constants.dtype.type(split), constants.dtype.type(rows - split)
        for i in range(width):
            chains[i] = chains[i] / of_chains - data[i] / of_data
        target, velocity = array(p[5] + home, width, scratch), array(p[6] + home, width, scratch)
        settle(kind, chains[:width], target, velocity, constants)


_CONTRAST_COLUMNS = Kernel(_contrast_columns)


@Planned
def contrast_columns(v: Array, split: int, kind: int, target: Array, velocity: Array, constants: Array) -> list[Launch]:
    """The mean of v (N, units) over its last rows less that over the first ``split``, sent to a sink of (units,)."""
    arguments = (v, *v.shape, split, kind, target, velocity if kind >= UPDATE else target, constants)
    return [
        Launch(
            _CONTRAST_COLUMNS, v.dtype, -(-v.shape[1] // COLUMNS), arguments, parallel=v.size >= 4 * SERIAL,
            scratch=2 * COLUMNS * v.itemsize,
        )
    ]  # fmt: skip


def _errors(p, first, last, shared, scratch):
    units, itemsize = p[3], array(p[0], 1, scratch).itemsize
    for n in range(first, last):
        x = array(p[0] + n * units * itemsize, units, scratch)
        y = array(p[1] + n * units * itemsize, units, scratch)
        strands = typed_array(place(scratch), STRANDS, np.float64)
        for lane in range(STRANDS):
            strands[lane] = 0.0
        for begin in range(units // STRANDS):
            for lane in range(STRANDS):
                d = np.float64(x[begin * STRANDS + lane]) - np.float64(y[begin * STRANDS + lane])
                strands[lane] += d * d
        for i in range(units // STRANDS * STRANDS, units):
            d = np.float64(x[i]) - np.float64(y[i])
            strands[i % STRANDS] += d * d
        total = 0.0
        for lane in range(STRANDS):
            total += strands[lane]
        typed_array(p[2], n + 1, np.float64)[n] = 0.5 * total


_ERRORS = Kernel(_errors)


@Planned
def squared_errors(x: Array, y: Array, out: Array) -> list[Launch]:
    """out (N,) float64 ← ½ Σ_i (x_i − y_i)², for x and y (N, units)."""
    parallel = x.size >= 4 * SERIAL
    return [Launch(_ERRORS, x.dtype, len(x), (x, y, out, x.shape[1]), parallel=parallel, scratch=8 * STRANDS)]
