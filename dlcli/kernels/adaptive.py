"""Optimisers' updates by stored gradients: each number of a parameter on its own, all its arrays read once.

``constants`` = (rate, factors of the method, decay) are of the parameter's type. Every operation is rounded on its
own, in the order written, so that neither threads nor vectors change a bit.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from dlcli.kernels.addresses import array
from dlcli.kernels.launch import Argument, Kernel, Launch, Planned

Array = npt.NDArray[Any]

SERIAL = 20_000  # numbers below which waking the threads costs more than it saves
PIECE = 4096  # numbers of a task


@njit
def _part(p, place, first, last, scratch):
    """The numbers of some tasks, of the array whose address is at a place of the record."""
    offset = first * PIECE * array(p[0], 1, scratch).itemsize
    return array(p[place] + offset, min(last * PIECE, p[1]) - first * PIECE, scratch)


def _planned(body: Callable[..., None], states: int, factors: int) -> Planned:
    """An update: called with (gradient, weights, *states, constants), all but the last contiguous and of one size."""
    kernel = Kernel(body)

    def plan(gradient: Array, weights: Array, *held: Array) -> list[Launch]:
        *own, constants = held
        if len(own) != states or constants.size != factors + 2:
            raise ValueError(f"expected {states} arrays and {factors + 2} constants: {body.__doc__}")
        if any((a.size, a.dtype) != (weights.size, weights.dtype) for a in (gradient, *own)):
            raise ValueError(f"all arrays must be of the weights' size and type, {weights.size} of {weights.dtype}")
        arguments: tuple[Argument, ...] = (constants, weights.size, gradient, weights, *own)
        tasks = -(-weights.size // PIECE)
        return [Launch(kernel, weights.dtype, tasks, arguments, parallel=weights.size >= SERIAL)]

    plan.__doc__ = body.__doc__
    return Planned(plan)


def _nesterov(p, first, last, shared, scratch):
    """v ← α v − ε (g + λ w); w ← w + α v − ε (g + λ w), with (α) as the factors."""
    constants = array(p[0], 3, scratch)
    rate, momentum, decay = constants[0], constants[1], constants[2]
    g, w = _part(p, 2, first, last, scratch), _part(p, 3, first, last, scratch)
    v = _part(p, 4, first, last, scratch)
    for i in range(w.size):
        step = rate * (g[i] + decay * w[i])
        change = momentum * v[i] - step
        v[i] = change
        w[i] += momentum * change - step


def _adagrad(p, first, last, shared, scratch):
    """s ← s + g²; w ← w − η g / (√s + ϵ), where g has λ w added, with (ϵ) as the factors."""
    constants = array(p[0], 3, scratch)
    rate, epsilon, decay = constants[0], constants[1], constants[2]
    g, w = _part(p, 2, first, last, scratch), _part(p, 3, first, last, scratch)
    s = _part(p, 4, first, last, scratch)
    for i in range(w.size):
        slope = g[i] + decay * w[i]
        square = s[i] + slope * slope
        s[i] = square
        w[i] -= rate * slope / (np.sqrt(square) + epsilon)


def _rmsprop(p, first, last, shared, scratch):
    """s ← ρ s + (1 − ρ) g²; w ← w − η g / (√s + ϵ), where g has λ w added, with (ρ, 1 − ρ, ϵ) as the factors."""
    constants = array(p[0], 5, scratch)
    rate, kept, new, epsilon, decay = constants[0], constants[1], constants[2], constants[3], constants[4]
    g, w = _part(p, 2, first, last, scratch), _part(p, 3, first, last, scratch)
    s = _part(p, 4, first, last, scratch)
    for i in range(w.size):
        slope = g[i] + decay * w[i]
        square = kept * s[i] + new * (slope * slope)
        s[i] = square
        w[i] -= rate * slope / (np.sqrt(square) + epsilon)


def _adam(p, first, last, shared, scratch):
    """m ← β₁ m + (1 − β₁) g; s ← β₂ s + (1 − β₂) g²; w ← w − η a m / (b √s + ϵ), where g has λ w added.

    The factors are (a, b, β₁, 1 − β₁, β₂, 1 − β₂, ϵ, decoupled): a and b correct the averages' bias; decoupled, λ w is
    not added, but η λ w subtracted from w.
    """
    constants = array(p[0], 10, scratch)
    rate, first_factor, second_factor = constants[0], constants[1], constants[2]
    kept, new, kept_square, new_square = constants[3], constants[4], constants[5], constants[6]
    epsilon, decoupled, decay = constants[7], constants[8], constants[9]
    step, shrink, coupled = rate * first_factor, rate * decay * decoupled, decay - decay * decoupled
    g, w = _part(p, 2, first, last, scratch), _part(p, 3, first, last, scratch)
    m, s = _part(p, 4, first, last, scratch), _part(p, 5, first, last, scratch)
    for i in range(w.size):
        slope = g[i] + coupled * w[i]
        mean = kept * m[i] + new * slope
        square = kept_square * s[i] + new_square * (slope * slope)
        m[i] = mean
        s[i] = square
        w[i] = (w[i] - shrink * w[i]) - step * mean / (second_factor * np.sqrt(square) + epsilon)


nesterov = _planned(_nesterov, states=1, factors=1)
adagrad = _planned(_adagrad, states=1, factors=1)
rmsprop = _planned(_rmsprop, states=1, factors=3)
adam = _planned(_adam, states=2, factors=8)
