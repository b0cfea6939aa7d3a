"""Philox 4×32-10: random bits as a function of a key and a counter (Salmon et al., SC 2011, section 4.3).

A draw needs no state: element i of sample n in step t has counter (i / 4, n, t, 0), whoever computes it.
"""

import numpy as np
from numba import njit, prange

M0, M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)  # multipliers
W0, W1 = np.uint32(0x9E3779B9), np.uint32(0xBB67AE85)  # Weyl increments of the key
ROUNDS = 10


@njit(cache=True)
def block(key, c0, c1, c2, c3):
    """Four 32-bit random words for a 64-bit key and a 128-bit counter, given as four uint32."""
    k0, k1 = np.uint32(key & np.uint64(0xFFFFFFFF)), np.uint32(key >> np.uint64(32))
    c0, c1, c2, c3 = np.uint32(c0), np.uint32(c1), np.uint32(c2), np.uint32(c3)
    for _ in range(ROUNDS):
        p0, p1 = M0 * np.uint64(c0), M1 * np.uint64(c2)
        c0, c1, c2, c3 = (
            np.uint32(np.uint32(p1 >> np.uint64(32)) ^ c1 ^ k0),
            np.uint32(p1),
            np.uint32(np.uint32(p0 >> np.uint64(32)) ^ c3 ^ k1),
            np.uint32(p0),
        )
        k0, k1 = np.uint32(k0 + W0), np.uint32(k1 + W1)
    return c0, c1, c2, c3


@njit(cache=True, parallel=True)
def bits(key, step, out):
    """Fill out (N, features) uint32 with the random words of a step."""
    for n in prange(out.shape[0]):
        row = out[n]
        for quad in range((row.size + 3) // 4):
            words = block(key, quad, n, step, 0)
            for lane in range(min(4, row.size - 4 * quad)):
                row[4 * quad + lane] = words[lane]


@njit(cache=True, parallel=True)
def keep_mask(key, step, threshold, mask):
    """mask (N, features) uint8 ← 1 where the element's random word is below ``threshold`` (of 2³²), else 0."""
    for n in prange(mask.shape[0]):
        row = mask[n]
        quads = row.size // 4
        for quad in range(quads):
            w0, w1, w2, w3 = block(key, quad, n, step, 0)
            row[4 * quad] = np.uint64(w0) < threshold
            row[4 * quad + 1] = np.uint64(w1) < threshold
            row[4 * quad + 2] = np.uint64(w2) < threshold
            row[4 * quad + 3] = np.uint64(w3) < threshold
        words = block(key, quads, n, step, 0)
        for i in range(4 * quads, row.size):
            row[i] = np.uint64(words[i - 4 * quads]) < threshold


@njit(cache=True, parallel=True)
def masked(x, mask, scale, y):
    """y ← x · mask · scale; all (N, features)."""
    for n in prange(x.shape[0]):
        for i in range(x.shape[1]):
            y[n, i] = x[n, i] * scale if mask[n, i] else x.dtype.type(0)
