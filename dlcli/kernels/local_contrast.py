"""Local contrast normalisation, channels last (Jarrett et al., ICCV 2009, section 3.1); the layer states the equations.

An image belongs to one thread. What its channels share is held in planes (H, W), which are blurred along their rows,
then along their columns. A plane to be blurred has a margin of zeros at both sides of each row, so that the products
with a weight run along the whole plane. Sums over channels run in strands (`dlcli.kernels.strands`).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from dlcli.kernels.addresses import array, matrix, number, place
from dlcli.kernels.launch import Kernel, Launch, Planned
from dlcli.kernels.strands import dot, sum_of

Array = npt.NDArray[Any]

SERIAL = 10_000  # numbers below which waking the threads costs more than it saves
PIECE = 2048  # numbers of a plane that are blurred together
FEW = 7  # channels up to which vectors are of places


@njit(error_model="numpy")
def _sums(a, b, products, factor, norms, sums, like):
    """sums ← factor · Σ a b over each place's channels, or Σ a; a and b are (places, channels)."""
    (height, width), channels = norms.shape, a.shape[1]
    if channels > FEW:
        size, a_place, b_place = channels * a.itemsize, a.ctypes.data, b.ctypes.data
        for h in range(height):
            for w in range(width):
                at = (h * width + w) * size
                if products:
                    sums[h, w] = factor * dot(a_place + at, b_place + at, channels, like)
                else:
                    sums[h, w] = factor * sum_of(a_place + at, channels, like)
        return
    for h in range(height):
        for w in range(width):
            sums[h, w] = 0
        for c in range(channels):
            for w in range(width):
                value = a[h * width + w, c]
                sums[h, w] += value * b[h * width + w, c] if products else value
        for w in range(width):
            sums[h, w] *= factor


@njit(error_model="numpy")
def _clear(plane):
    for k in range(plane.size):
        plane[k] = 0


@njit(error_model="numpy")
def _blur(planes, height, pitch, weights_h, weights_w, like):
    """The third of three planes at an address ← the sums of the first with the weights; outside the image are zeros.

    Rows begin behind a margin of half the weights' columns in the first plane, at once in the third.
    """
    size, itemsize = height * pitch, array(planes, 1, like).itemsize
    rows = matrix(planes + size * itemsize, height, pitch, like)
    blurred = matrix(planes + 2 * size * itemsize, height, pitch, like)
    for begin in range(0, size, PIECE):  # while the piece is in cache
        middle = array(planes + (size + begin) * itemsize, min(PIECE, size - begin), like)
        _clear(middle)
        for j in range(weights_w.size):
            plane = array(planes + (begin + j) * itemsize, max(0, min(middle.size, size - begin - j)), like)
            for k in range(plane.size):
                middle[k] += weights_w[j] * plane[k]
    for h in range(height):
        for k in range(pitch):
            blurred[h, k] = 0
        for i in range(max(0, weights_h.size // 2 - h), min(weights_h.size, weights_h.size // 2 - h + height)):
            below = np.uint64(h + i - weights_h.size // 2)
            for k in range(pitch):
                blurred[h, k] += weights_h[i] * rows[below, k]


@njit(error_model="numpy")
def _multiply(values, norms):
    for h in range(norms.shape[0]):
        for w in range(norms.shape[1]):
            values[h, w] *= norms[h, w]


@njit(error_model="numpy")
def _add(x, factor, values, width, y):
    """y ← x + factor · values, the same for all channels of a place."""
    height, channels = values.shape[0], x.shape[1]
    for h in range(height):
        if channels <= FEW:
            for c in range(channels):
                for w in range(width):
                    y[h * width + w, c] = x[h * width + w, c] + factor * values[h, w]
        else:
            for w in range(width):
                i, value = h * width + w, factor * values[h, w]
                for c in range(channels):
                    y[i, c] = x[i, c] + value


@njit(error_model="numpy")
def _divisors(variances, floor, deviations, divisors):
    """deviations ← σ, divisors ← max(σ, its mean, floor); a NaN makes all of them NaN."""
    total, (height, width) = 0.0, deviations.shape
    for h in range(height):
        for w in range(width):
            deviations[h, w] = np.sqrt(variances[h, w])
        for w in range(width):
            total += np.float64(deviations[h, w])
    least = deviations.dtype.type(total / deviations.size)
    least = floor if least < floor else least
    for h in range(height):
        for w in range(width):
            divisors[h, w] = deviations[h, w] if deviations[h, w] > least else least


@njit(error_model="numpy")
def _weigh(a, divisors, b, factor, blurred, y):
    """y ← a / divisors + factor · blurred · divisors · b."""
    (height, width), channels, one = divisors.shape, a.shape[1], divisors.dtype.type(1)
    for h in range(height):
        if channels <= FEW:
            for c in range(channels):
                for w in range(width):
                    i, other = h * width + w, factor * blurred[h, w] * divisors[h, w]
                    y[i, c] = a[i, c] * (one / divisors[h, w]) + other * b[i, c]
        else:
            for w in range(width):
                i, own, other = h * width + w, one / divisors[h, w], factor * blurred[h, w] * divisors[h, w]
                for c in range(channels):
                    y[i, c] = a[i, c] * own + other * b[i, c]


@njit(error_model="numpy")
def _divide(x, divisors):
    """x ← x / divisors, by their reciprocals."""
    (height, width), channels, one = divisors.shape, x.shape[1], divisors.dtype.type(1)
    for h in range(height):
        if channels <= FEW:
            for c in range(channels):
                for w in range(width):
                    x[h * width + w, c] *= one / divisors[h, w]
        else:
            for w in range(width):
                i, factor = h * width + w, one / divisors[h, w]
                for c in range(channels):
                    x[i, c] *= factor


@njit(error_model="numpy")
def _prepare(p, scratch):
    """The planes of sums, cleared, and of what is blurred; weights of rows and columns, norms, and the floor."""
    height, width, pitch, size_h, size_w = p[7], p[8], p[10], p[11], p[12]
    planes, itemsize = place(scratch), array(p[0], 1, scratch).itemsize
    _clear(array(planes, height * pitch, scratch))
    sums = matrix(planes + size_w // 2 * itemsize, height, pitch, scratch)
    blurred = matrix(planes + 2 * height * pitch * itemsize, height, pitch, scratch)
    weights_h, weights_w = array(p[4], size_h, scratch), array(p[5], size_w, scratch)
    floor = weights_h.dtype.type(number(p[13]))
    return sums, blurred, weights_h, weights_w, matrix(p[6], height, width, scratch), floor


def _forward(p, first, last, shared, scratch):
    height, width, channels, pitch = p[7], p[8], p[9], p[10]
    places, planes, itemsize = height * width, place(scratch), array(p[0], 1, scratch).itemsize
    sums, blurred, weights_h, weights_w, norms, floor = _prepare(p, scratch)
    one = weights_h.dtype.type(1)
    share = one / weights_h.dtype.type(channels)
    for n in range(first, last):
        x = matrix(p[0] + n * places * channels * itemsize, places, channels, scratch)
        y = matrix(p[1] + n * places * channels * itemsize, places, channels, scratch)
        _sums(x, x, False, share, norms, sums, scratch)
        _blur(planes, height, pitch, weights_h, weights_w, scratch)
        _multiply(blurred, norms)
        _add(x, -one, blurred, width, y)
        _sums(y, y, True, share, norms, sums, scratch)
        _blur(planes, height, pitch, weights_h, weights_w, scratch)
        _multiply(blurred, norms)
        deviations = matrix(p[2] + n * places * itemsize, height, width, scratch)
        divisors = matrix(p[3] + n * places * itemsize, height, width, scratch)
        _divisors(blurred, floor, deviations, divisors)
        _divide(y, divisors)


_FORWARD = Kernel(_forward)


@Planned
def forward(
    x: Array, window: Sequence[Array], floor: float, y: Array, deviations: Array, divisors: Array
) -> list[Launch]:
    """y ← x normalised, by a `gaussian` window; deviations (N, H, W) ← σ; divisors (N, H, W) ← that of each place."""
    return [_launch(_FORWARD, x, y, window, floor, deviations, divisors)]


@njit(error_model="numpy")
def _slopes(deviations, divisors, floor, sums):
    """sums, of dy · y, ← d loss / d σ²; 0 where σ is."""
    total, two, zero = 0.0, sums.dtype.type(2), sums.dtype.type(0)
    (height, width) = deviations.shape
    for h in range(height):
        for w in range(width):
            sums[h, w] = -sums[h, w] / divisors[h, w]
            if deviations[h, w] < divisors[h, w] and divisors[h, w] > floor:
                total += np.float64(sums[h, w])
    mean = sums.dtype.type(total / deviations.size)  # what each σ gets where the divisor is their mean
    for h in range(height):
        for w in range(width):
            deviation = deviations[h, w]
            slope = mean + (sums[h, w] if deviation == divisors[h, w] else zero)
            sums[h, w] = slope / (two * deviation) if deviation > zero else zero


def _backward(p, first, last, shared, scratch):
    height, width, channels, pitch = p[7], p[8], p[9], p[10]
    places, planes, itemsize = height * width, place(scratch), array(p[0], 1, scratch).itemsize
    sums, blurred, weights_h, weights_w, norms, floor = _prepare(p, scratch)
    one = weights_h.dtype.type(1)
    share = one / weights_h.dtype.type(channels)
    for n in range(first, last):
        y = matrix(p[0] + n * places * channels * itemsize, places, channels, scratch)
        dx = matrix(p[1] + n * places * channels * itemsize, places, channels, scratch)
        dy = matrix(p[14] + n * places * channels * itemsize, places, channels, scratch)
        deviations = matrix(p[2] + n * places * itemsize, height, width, scratch)
        divisors = matrix(p[3] + n * places * itemsize, height, width, scratch)
        _sums(dy, y, True, one, norms, sums, scratch)
        _slopes(deviations, divisors, floor, sums)
        _multiply(sums, norms)
        _blur(planes, height, pitch, weights_h, weights_w, scratch)
        _weigh(dy, divisors, y, share + share, blurred, dx)
        _sums(dx, dx, False, -share, norms, sums, scratch)
        _multiply(sums, norms)
        _blur(planes, height, pitch, weights_h, weights_w, scratch)
        _add(dx, one, blurred, width, dx)


_BACKWARD = Kernel(_backward)


@Planned
def backward(
    y: Array, dy: Array, window: Sequence[Array], floor: float, deviations: Array, divisors: Array, dx: Array
) -> list[Launch]:
    """dx, from what the forward pass has left: y, ``deviations`` and ``divisors``.

    The window is symmetric: to spread a gradient over it is to blur it, with the norms before, not after.
    """
    return [_launch(_BACKWARD, y, dx, window, floor, deviations, divisors, dy)]


def _launch(kernel: Kernel, x: Array, y: Array, window: Sequence[Array], floor: float, *others: Array) -> Launch:
    (_, height, width, channels), (weights_h, weights_w, _) = x.shape, window
    pitch = width + weights_w.size - 1
    arguments = (x, y, *others[:2], *window, height, width, channels, pitch, weights_h.size, weights_w.size,
                 float(floor), *others[2:])  # fmt: skip
    scratch = 3 * height * pitch * x.itemsize
    return Launch(kernel, x.dtype, len(x), arguments, parallel=x.size >= SERIAL, scratch=scratch)


def gaussian(
    size: tuple[int, int], sigma: tuple[float, float], shape: tuple[int, ...], dtype: npt.DTypeLike
) -> list[Array]:
    """Gaussian weights of rows and of columns; for images of ``shape``, norms (H, W): 1 / the sum of weights inside."""
    weights = []
    for length, width in zip(size, sigma, strict=True):
        bell = np.exp(-0.5 * ((np.arange(length) - length // 2) / width) ** 2)
        weights.append(bell / bell.sum())
    inside = [
        np.array([bell[max(0, len(bell) // 2 - at) : len(bell) // 2 - at + cells].sum() for at in range(cells)])
        for bell, cells in zip(weights, shape, strict=False)
    ]
    return [array.astype(dtype) for array in (*weights, 1 / np.outer(*inside))]
