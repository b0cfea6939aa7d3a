"""Plain float64 arithmetic that the naive layers share; nothing here comes from dlcli."""

import math

import numpy as np


def sigmoid(x: float) -> float:
    if x != x:
        return x
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def relu(x: float) -> float:
    return x if x != x or x > 0 else 0.0


def softplus(x: float) -> float:
    return max(x, 0.0) + math.log1p(math.exp(-abs(x))) if x == x else x


ACTIVATIONS = {
    "linear": lambda x: x,
    "sigmoid": sigmoid,
    "tanh": math.tanh,
    "scaled_tanh": lambda x: 1.7159 * math.tanh(2 / 3 * x),
    "relu": relu,
    "softplus": softplus,
}


def activate(function: str, array: np.ndarray) -> np.ndarray:
    f = ACTIVATIONS[function]
    return np.array([f(float(value)) for value in array.reshape(-1)]).reshape(array.shape)


def philox(key: int, counter: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    """Philox 4×32-10 in Python's integers (Salmon et al. 2011)."""
    word = 0xFFFFFFFF
    k0, k1 = key & word, key >> 32
    c0, c1, c2, c3 = counter
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c0, 0xCD9E8D57 * c2
        c0, c1, c2, c3 = (p1 >> 32) ^ c1 ^ k0, p1 & word, (p0 >> 32) ^ c3 ^ k1, p0 & word
        k0, k1 = (k0 + 0x9E3779B9) & word, (k1 + 0xBB67AE85) & word
    return c0, c1, c2, c3


def random_words(shape: tuple[int, ...], key: int, step: int) -> np.ndarray:
    """The 32-bit word of each element of a batch (N, …): element i of sample n has counter (i / 4, n, step, 0)."""
    samples, features = shape[0], math.prod(shape[1:])
    words = [[philox(key, (i // 4, n, step, 0))[i % 4] for i in range(features)] for n in range(samples)]
    return np.array(words, np.uint64).reshape(shape)


def windows(size: int, kernel: int, stride: int, padding: str | int, dilation: int = 1, up: bool = False):
    """(output size, cells padded before, cells padded after) along one axis, from the definitions in the docs.

    Found by search: how many windows there are, rather than a formula for it.
    """
    extent = (kernel - 1) * dilation + 1
    if padding == "same":
        out = math.ceil(size / stride)
        needed = max((out - 1) * stride + extent - size, 0)
        return out, needed // 2, needed - needed // 2
    before = 0 if padding == "valid" else padding
    starts = range(-before, size + before, stride)
    if up:
        fitting = [s for i, s in enumerate(starts) if i == 0 or (s - stride + extent < size + before and s < size)]
    else:
        fitting = [s for s in starts if s + extent <= size + before]
    return len(fitting), before, before


def sides(padding) -> tuple:
    """The padding of rows and of columns."""
    return (padding, padding) if isinstance(padding, str) else tuple(padding)
