"""Noise on samples: words of `dlcli.kernels.philox`, one for each number, so that none depends on threads or vectors.

A word w stands for u = (w + ½) / 2³². Normal numbers are the quantiles of u, by M. Wichura, "Algorithm AS 241: the
percentage points of the normal distribution" (Applied Statistics 37, 1988): PPND7 for float32, with a relative error
of some 10⁻⁷, PPND16 for float64. Both are ratios of polynomials in q = u − ½ or, at the ends, in √(−log min(u, 1 − u)),
so that vectors have no branches to take; the outermost third piece begins where no word of 32 bits comes.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit, types
from numba.extending import overload

from dlcli.kernels.addresses import array, number, place, typed_array
from dlcli.kernels.exponential import log
from dlcli.kernels.launch import Kernel, Launch, Planned
from dlcli.kernels.philox import SERIAL, draw, held, signed

Array = npt.NDArray[Any]

STEP = 2.0**-32
MIDDLE, SQUARE, START = 0.425, 0.180625, 1.6  # |q| of the inner piece, its square, where the outer one is developed
SIGN = np.uint32(1 << 31)

# Coefficients, of the highest power first: numerator and denominator of the inner piece, then of the outer one.
A7 = tuple(map(np.float32, (59.109374720, 159.29113202, 50.434271938, 3.3871327179)))
B7 = tuple(map(np.float32, (67.187563600, 78.757757664, 17.895169469, 1.0)))
C7 = tuple(map(np.float32, (0.17023821103, 1.3067284816, 2.7568153900, 1.4234372777)))
D7 = tuple(map(np.float32, (0.0, 0.12021132975, 0.73700164250, 1.0)))
A16 = (
    2.5090809287301226727e3, 3.3430575583588128105e4, 6.7265770927008700853e4, 4.5921953931549871457e4,
    1.3731693765509461125e4, 1.9715909503065514427e3, 1.3314166789178437745e2, 3.3871328727963666080e0,
)  # fmt: skip
B16 = (
    5.2264952788528545610e3, 2.8729085735721942674e4, 3.9307895800092710610e4, 2.1213794301586595867e4,
    5.3941960214247511077e3, 6.8718700749205790830e2, 4.2313330701600911252e1, 1.0,
)  # fmt: skip
C16 = (
    7.74545014278341407640e-4, 2.27238449892691845833e-2, 2.41780725177450611770e-1, 1.27045825245236838258e0,
    3.64784832476320460504e0, 5.76949722146069140550e0, 4.63033784615654529590e0, 1.42343711074968357734e0,
)  # fmt: skip
D16 = (
    1.05075007164441684324e-9, 5.47593808499534494600e-4, 1.51986665636164571966e-2, 1.48103976427480074590e-1,
    6.89767334985100004550e-1, 1.67638483018380384940e0, 2.05319162663775882187e0, 1.0,
)  # fmt: skip


@njit(inline="always")
def _cubic(c, x):
    return ((c[0] * x + c[1]) * x + c[2]) * x + c[3]


@njit(inline="always")
def _seventh(c, x):
    high = ((c[0] * x + c[1]) * x + c[2]) * x + c[3]
    return (((high * x + c[4]) * x + c[5]) * x + c[6]) * x + c[7]


@njit(inline="always")
def _normal32(word):
    """Of the smaller of u and 1 − u, which has all its digits; the sign comes last."""
    low = word < SIGN
    r = (np.float32(np.int32(word if low else ~word)) + np.float32(0.5)) * np.float32(STEP)
    q = np.float32(0.5) - r
    inner = np.float32(SQUARE) - q * q
    middle = q * _cubic(A7, inner) / _cubic(B7, inner)
    outer = np.sqrt(-log(r)) - np.float32(START)
    end = _cubic(C7, outer) / _cubic(D7, outer)
    z = middle if q <= np.float32(MIDDLE) else end
    return -z if low else z


@njit(inline="always")
def _normal64(word):
    low = word < SIGN
    r = (np.float64(np.int32(word if low else ~word)) + 0.5) * STEP
    q = 0.5 - r
    inner = SQUARE - q * q
    middle = q * _seventh(A16, inner) / _seventh(B16, inner)
    outer = np.sqrt(-log(r)) - START
    end = _seventh(C16, outer) / _seventh(D16, outer)
    z = middle if q <= MIDDLE else end
    return -z if low else z


def normal(word, like):
    """The normal number, of mean 0 and deviation 1 and of the type of ``like``, that a word (uint32) stands for."""
    return _normal32(word) if isinstance(like, np.float32) else _normal64(word)


@overload(normal, jit_options={"forceinline": True})  # so large that LLVM would call it
def _normal(word, like):
    return (lambda word, like: _normal32(word)) if like == types.float32 else (lambda word, like: _normal64(word))


def _words(features: int) -> int:
    """Bytes of scratch memory for a sample's words, which are drawn four at a time."""
    return 16 * -(-features // 4)


def _gaussian(p, first, last, shared, scratch):
    key, step, features = np.uint64(p[2]), typed_array(p[3], 1, np.int64)[0], p[5]
    size, words = array(p[0], 1, scratch).itemsize, typed_array(place(scratch), 4 * ((features + 3) // 4), np.uint32)
    for n in range(first, last):
        row = n * features * size
        x, y = array(p[0] + row, features, scratch), array(p[1] + row, features, scratch)
        deviation = y.dtype.type(number(p[4]))
        draw(key, step, n, 0, words)
        for i in range(features):
            y[i] = x[i] + deviation * normal(words[i], deviation)


_GAUSSIAN = Kernel(_gaussian)


@Planned
def gaussian(key: int, step: Array | int, x: Array, deviation: float, y: Array) -> list[Launch]:
    """y ← x + ``deviation`` · normal numbers; both (N, features)."""
    arguments = (x, y, signed(key), held(step), float(deviation), x.shape[1])
    return [Launch(_GAUSSIAN, x.dtype, len(x), arguments, parallel=x.size >= SERIAL, scratch=_words(x.shape[1]))]


def _salt_and_pepper(p, first, last, shared, scratch):
    key, step, features = np.uint64(p[3]), typed_array(p[4], 1, np.int64)[0], p[9]
    size, words = array(p[0], 1, scratch).itemsize, typed_array(place(scratch), 4 * ((features + 3) // 4), np.uint32)
    for n in range(first, last):
        row = n * features * size
        x, y = array(p[0] + row, features, scratch), array(p[2] + row, features, scratch)
        passes = typed_array(p[1] + n * features, features, np.uint8)
        pepper, salt = y.dtype.type(number(p[7])), y.dtype.type(number(p[8]))
        draw(key, step, n, 0, words)
        for i in range(features):
            word = np.int64(words[i])
            passes[i] = word < p[5]
            y[i] = x[i] if word < p[5] else (pepper if word < p[6] else salt)


_SALT_AND_PEPPER = Kernel(_salt_and_pepper)


@Planned
def salt_and_pepper(
    key: int,
    step: Array | int,
    thresholds: tuple[int, int],
    values: tuple[float, float],
    x: Array,
    passes: Array,
    y: Array,
) -> list[Launch]:
    """y ← x where the word is below the first threshold, the first value below the second one, else the second value.

    passes (N, features) uint8 ← whether x has passed.
    """
    arguments = (x, passes, y, signed(key), held(step), *map(int, thresholds), *map(float, values), x.shape[1])
    return [Launch(_SALT_AND_PEPPER, x.dtype, len(x), arguments, parallel=x.size >= SERIAL, scratch=_words(x.shape[1]))]
