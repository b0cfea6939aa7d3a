"""exp, sigmoid, tanh, softplus and powers, for float32 by polynomials that vectorise (mostly after Cephes, S. Moshier).

Additions, multiplications, divisions and selections only, each rounded on its own: an element's value depends neither
on the vector width nor on its place in a row. The largest errors, over all finite results that are not subnormal,
are 1 ulp for exp, 2.5 ulp for the sigmoid, 2 ulp for tanh and log1p, 3 ulp for softplus and 2.5 ulp for its slope;
a power's relative error is some 2⁻²³ times 1 + |its logarithm|.
In float64 they are the C library's.
"""

import math

import numpy as np
from numba import njit, types
from numba.extending import overload

real = np.float32
LOG2_E, LN2_HIGH, LN2_LOW = real(1.4426950408889634), real(0.693359375), real(-2.12194440e-4)
EXP = tuple(map(real, (1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 0.16666665459, 0.5)))
TANH = tuple(map(real, (-5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 0.133314422036, -0.333332819422)))
ARTANH = tuple(real(1 / k) for k in range(15, 1, -2))
LOWEST, HIGHEST = real(-104), real(89)  # beyond, exp is 0 and infinite
WIDE_LOG2_E, WIDE_LN2, WIDE_LOWEST = 1.4426950408889634, 0.6931471805599453, -708.0
ROUNDER = 1.5 * 2.0**52
SERIES = tuple(1.0 / math.factorial(k) for k in range(8, 1, -1))
ROOT_HALF, FRACTION = np.int32(0x3F3504F3), np.int32(0x7FFFFF)  # the bits of √½; of a number's fraction
HALF, ONE, TWO, SMALL = real(0.5), real(1), real(2), real(0.625)


@njit(inline="always")
def _power(n):
    """2ⁿ, for whole −127 < n < 128: n is a float32's exponent, and its other bits are zero."""
    return np.int32((n + np.int32(127)) << np.int32(23)).view(np.float32)


@njit(inline="always")
def _times_power(y, n):
    """y 2ⁿ, in two factors, to reach subnormals and infinity."""
    half = np.int32(n >> np.int32(1))
    return y * _power(half) * _power(np.int32(n - half))


@njit(inline="always")
def _exp_rest(x, whole):
    """e^r, for r = x − ``whole`` · ln 2 with |r| ≤ ½ ln 2."""
    r = (x - whole * LN2_HIGH) - whole * LN2_LOW
    p = EXP[0] * r + EXP[1]
    p = p * r + EXP[2]
    p = p * r + EXP[3]
    p = p * r + EXP[4]
    p = p * r + EXP[5]
    return (p * (r * r) + r) + ONE


@njit(inline="always")
def _exp32(x):
    """e^x = 2ⁿ e^r with n = ⌊x log₂ e + ½⌋ and |r| ≤ ½ ln 2."""
    inside = min(max(x, LOWEST), HIGHEST) if x == x else ONE
    whole = np.floor(inside * LOG2_E + HALF)
    y = _times_power(_exp_rest(inside, whole), np.int32(whole))
    return y if x == x else x


@njit(inline="always")
def _sigmoid32(x):
    return ONE / (ONE + _exp32(-x))


@njit(inline="always")
def _tanh32(x):
    """x + x³ P(x²) near zero, where 1 − 2 / (e^(2|x|) + 1) would cancel."""
    size = abs(x)
    z = x * x
    p = TANH[0] * z + TANH[1]
    p = p * z + TANH[2]
    p = p * z + TANH[3]
    p = p * z + TANH[4]
    near = p * z * x + x
    far = ONE - TWO / (_exp32(size + size) + ONE)
    far = -far if x < 0 else far
    return near if size < SMALL else far


@njit(inline="always")
def _log1p32(x):
    """log(1 + x) = 2 artanh(s), s = x / (2 + x) ≤ ⅓, for 0 ≤ x ≤ 1: a series in s², and no cancellation near zero."""
    s = x / (TWO + x)
    z = s * s
    p = ARTANH[0] * z + ARTANH[1]
    p = p * z + ARTANH[2]
    p = p * z + ARTANH[3]
    p = p * z + ARTANH[4]
    p = p * z + ARTANH[5]
    p = p * z + ARTANH[6]
    s = s + s
    return s + s * (p * z)


@njit(inline="always")
def _log32(x):
    """log x = n ln 2 + log m with m between √½ and √2."""
    bits = np.float32(x).view(np.int32)
    shifted = np.int32(bits - ROOT_HALF)
    whole = np.float32(np.int32(shifted >> np.int32(23)))
    m = np.int32(np.int32(shifted & FRACTION) + ROOT_HALF).view(np.float32)
    return whole * LN2_HIGH + (_log1p32(m - ONE) + whole * LN2_LOW)


@njit(inline="always")
def _raised32(x, exponent):
    """x^e = e^(e log x). NaN passes."""
    power = exponent * (_log32(x) + (x - x))
    power = LOWEST if power < LOWEST else power
    power = HIGHEST if power > HIGHEST else power
    whole = np.floor(power * LOG2_E + HALF)
    return _times_power(_exp_rest(power, whole), np.int32(whole if whole == whole else ONE))


@njit(inline="always")
def _softplus_slope32(y):
    t = _tanh32(HALF * y)
    return (t + t) / (ONE + t)


@njit(inline="always")
def _wide_exp32(x):
    """e^x = 2ⁿ e^r as above, in float64: eight terms of the series do for a number that was rounded to float32.

    Adding 1.5 · 2⁵² rounds to a whole number, which then stands in the last bits of the sum; shifted, they are 2ⁿ.
    """
    inside = WIDE_LOWEST if x < WIDE_LOWEST else (-WIDE_LOWEST if x > -WIDE_LOWEST else x)
    shifted = inside * WIDE_LOG2_E + ROUNDER
    r = inside - (shifted - ROUNDER) * WIDE_LN2
    p = SERIES[0] * r + SERIES[1]
    p = p * r + SERIES[2]
    p = p * r + SERIES[3]
    p = p * r + SERIES[4]
    p = p * r + SERIES[5]
    p = p * r + SERIES[6]
    p = p * r + 1.0
    p = p * r + 1.0
    return p * np.int64((np.float64(shifted).view(np.int64) + np.int64(1023)) << np.int64(52)).view(np.float64)


def _sigmoid64(x):
    return 1 / (1 + math.exp(-x))


def exp(x):
    """e^x, of the type of x."""
    return _exp32(x) if isinstance(x, np.float32) else math.exp(x)


def wide_exp(x, like):
    """e^x of a float64 x, exact enough for a result of the type of ``like``.

    For float32 it lies within e^±708, with a relative error below 3e-10.
    """
    return _wide_exp32(x) if isinstance(like, np.float32) else math.exp(x)


def raised(x, exponent):
    """x^exponent, of the type of x, for positive x that are not subnormal; NaN passes."""
    return _raised32(x, exponent) if isinstance(x, np.float32) else x**exponent


def log(x):
    """log x, of the type of x, for positive x that are not subnormal."""
    return _log32(x) if isinstance(x, np.float32) else math.log(x)


def log1p(x):
    """log(1 + x), of the type of x, for 0 ≤ x ≤ 1."""
    return _log1p32(x) if isinstance(x, np.float32) else math.log1p(x)


def softplus_slope(y):
    """1 − e^(−y), of the type of y: the slope of softplus where its value is y ≥ 0."""
    return _softplus_slope32(y) if isinstance(y, np.float32) else -math.expm1(-y)


def sigmoid(x):
    """1 / (1 + e^(−x)), of the type of x."""
    return _sigmoid32(x) if isinstance(x, np.float32) else _sigmoid64(x)


def tanh(x):
    """tanh x, of the type of x."""
    return _tanh32(x) if isinstance(x, np.float32) else math.tanh(x)


@overload(exp)
def _exp(x):
    return (lambda x: _exp32(x)) if x == types.float32 else (lambda x: math.exp(x))


@overload(wide_exp)
def _wide_exp(x, like):
    return (lambda x, like: _wide_exp32(x)) if like == types.float32 else (lambda x, like: math.exp(x))


@overload(raised, jit_options={"forceinline": True})  # so large that LLVM would call it
def _raised(x, exponent):
    return (lambda x, exponent: _raised32(x, exponent)) if x == types.float32 else (lambda x, exponent: x**exponent)


@overload(log)
def _log(x):
    return (lambda x: _log32(x)) if x == types.float32 else (lambda x: math.log(x))


@overload(log1p)
def _log1p(x):
    return (lambda x: _log1p32(x)) if x == types.float32 else (lambda x: math.log1p(x))


@overload(softplus_slope)
def _softplus_slope(y):
    return (lambda y: _softplus_slope32(y)) if y == types.float32 else (lambda y: -math.expm1(-y))


@overload(sigmoid)
def _sigmoid(x):
    return (lambda x: _sigmoid32(x)) if x == types.float32 else _sigmoid64


@overload(tanh)
def _tanh(x):
    return (lambda x: _tanh32(x)) if x == types.float32 else (lambda x: math.tanh(x))
