"""Philox 4×32-10: random bits as a function of a key and a counter (Salmon et al., SC 2011, section 4.3).

A draw needs no state: element i of sample n in step t has counter (i / 4, n, t, 0), whoever computes it. The four
words of a counter are 64-bit numbers while they are worked on, of which the lower halves count: many counters then go
side by side in vectors.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from dlcli.kernels.addresses import array, number, place, typed_array
from dlcli.kernels.launch import Kernel, Launch, Planned

Array = npt.NDArray[Any]

M0, M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)  # multipliers
W0, W1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)  # Weyl increments of the key
WORD, HALF = np.uint64(0xFFFFFFFF), np.uint64(32)
ROUNDS = 10
SERIAL = 8_000  # words below which waking the threads costs more than it saves
QUADS = 256  # counters at a time: their words stay in the first cache


@njit(inline="always")
def _words(k0, k1, c0, c1, c2, c3):
    """The four words of a counter, in the lower halves of four uint64."""
    for _ in range(ROUNDS):
        p0, p1 = M0 * (c0 & WORD), M1 * (c2 & WORD)
        c0, c1, c2, c3 = (p1 >> HALF) ^ c1 ^ k0, p1 & WORD, (p0 >> HALF) ^ c3 ^ k1, p0 & WORD
        k0, k1 = (k0 + W0) & WORD, (k1 + W1) & WORD
    return c0, c1, c2, c3


@njit
def block(key, c0, c1, c2, c3):
    """Four 32-bit random words for a 64-bit key and a 128-bit counter, given as four uint32."""
    key = np.uint64(key)
    w0, w1, w2, w3 = _words(key & WORD, key >> HALF, np.uint64(c0), np.uint64(c1), np.uint64(c2), np.uint64(c3))
    return np.uint32(w0), np.uint32(w1), np.uint32(w2), np.uint32(w3)


@njit
def draw(key, step, n, first, words):
    """words (counters × 4) ← those of sample n, from counter ``first`` on."""
    k0, k1, sample, time = key & WORD, key >> HALF, np.uint64(n), np.uint64(step)
    for quad in range(words.size // 4):
        w0, w1, w2, w3 = _words(k0, k1, np.uint64(first + quad), sample, time, np.uint64(0))
        words[4 * quad], words[4 * quad + 1] = np.uint32(w0), np.uint32(w1)
        words[4 * quad + 2], words[4 * quad + 3] = np.uint32(w2), np.uint32(w3)


@njit
def _draw_mask(key, step, threshold, n, row, scratch):
    """row ← 1 where the word of sample n is below the threshold, else 0."""
    k0, k1, sample, time = key & WORD, key >> HALF, np.uint64(n), np.uint64(step)
    for first in range(0, row.size, 4 * QUADS):
        size = min(4 * QUADS, row.size - first)
        quads, start = (size + 3) // 4, np.uint64(first // 4)
        flags = typed_array(place(scratch), quads, np.uint32)
        for quad in range(quads):
            w0, w1, w2, w3 = _words(k0, k1, start + np.uint64(quad), sample, time, np.uint64(0))
            low = np.uint32(np.int64(w0) < threshold) | (np.uint32(np.int64(w1) < threshold) << np.uint32(8))
            high = np.uint32(np.int64(w2) < threshold) | (np.uint32(np.int64(w3) < threshold) << np.uint32(8))
            flags[quad] = low | (high << np.uint32(16))  # four bytes at once, the first the lowest
        found = typed_array(place(scratch), size, np.uint8)
        for i in range(size):
            row[first + i] = found[i]


@njit
def _apply(x, mask, scale, y):
    for i in range(y.size):
        y[i] = x[i] * scale if mask[i] else y.dtype.type(0)


def signed(key: int) -> int:
    """A key of 64 bits as the record of a launch holds it."""
    return int(np.uint64(key).view(np.int64))


def held(step: Array | int) -> Array:
    """The step as an array, which may change between launches."""
    return step if isinstance(step, np.ndarray) else np.array([step], np.int64)


def _bits(p, first, last, shared, scratch):
    key, step, features = np.uint64(p[0]), typed_array(p[1], 1, np.int64)[0], p[3]
    rest = features % 4
    words = typed_array(place(scratch), 4, np.uint32)
    for n in range(first, last):
        row = typed_array(p[2] + 4 * n * features, features, np.uint32)
        draw(key, step, n, 0, typed_array(p[2] + 4 * n * features, features - rest, np.uint32))
        draw(key, step, n, features // 4, words)
        for i in range(rest):
            row[features - rest + i] = words[i]


_BITS = Kernel(_bits)


@Planned
def bits(key: int, step: Array | int, out: Array) -> list[Launch]:
    """Fill out (N, features) uint32 with the random words of a step, a number or an int64 array that holds it."""
    arguments = (signed(key), held(step), out, out.shape[1])
    return [Launch(_BITS, np.float32, len(out), arguments, parallel=out.size >= SERIAL, scratch=16)]


def _mask(p, first, last, shared, scratch):
    key, step, threshold = np.uint64(p[0]), typed_array(p[1], 1, np.int64)[0], p[2]
    for n in range(first, last):
        _draw_mask(key, step, threshold, n, typed_array(p[3] + n * p[4], p[4], np.uint8), scratch)


_MASK = Kernel(_mask)


@Planned
def keep_mask(key: int, step: Array | int, threshold: int, mask: Array) -> list[Launch]:
    """mask (N, features) uint8 ← 1 where the element's random word is below ``threshold`` (of 2³²), else 0."""
    arguments = (signed(key), held(step), int(threshold), mask, mask.shape[1])
    return [Launch(_MASK, np.float32, len(mask), arguments, parallel=mask.size >= SERIAL, scratch=4 * QUADS)]


def _masked(p, first, last, shared, scratch):
    features, itemsize = p[4], array(p[0], 1, scratch).itemsize
    for n in range(first, last):
        x = array(p[0] + n * features * itemsize, features, scratch)
        y = array(p[2] + n * features * itemsize, features, scratch)
        _apply(x, typed_array(p[1] + n * features, features, np.uint8), y.dtype.type(number(p[3])), y)


_MASKED = Kernel(_masked)


@Planned
def masked(x: Array, mask: Array, scale: float, y: Array) -> list[Launch]:
    """y ← x · mask · scale; all (N, features)."""
    arguments = (x, mask, y, float(scale), x.shape[1])
    return [Launch(_MASKED, x.dtype, len(x), arguments, parallel=x.size >= 4 * SERIAL)]


def _drop(p, first, last, shared, scratch):
    key, step, threshold = np.uint64(p[5]), typed_array(p[6], 1, np.int64)[0], p[7]
    features, itemsize = p[4], array(p[0], 1, scratch).itemsize
    for n in range(first, last):
        x = array(p[0] + n * features * itemsize, features, scratch)
        y = array(p[2] + n * features * itemsize, features, scratch)
        mask = typed_array(p[1] + n * features, features, np.uint8)
        _draw_mask(key, step, threshold, n, mask, scratch)
        _apply(x, mask, y.dtype.type(number(p[3])), y)


_DROP = Kernel(_drop)


@Planned
def drop(key: int, step: Array | int, threshold: int, x: Array, mask: Array, scale: float, y: Array) -> list[Launch]:
    """`keep_mask`, then `masked`, row by row."""
    arguments = (x, mask, y, float(scale), x.shape[1], signed(key), held(step), int(threshold))
    return [Launch(_DROP, x.dtype, len(x), arguments, parallel=x.size >= SERIAL, scratch=4 * QUADS)]
