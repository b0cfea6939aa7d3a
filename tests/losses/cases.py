"""Every loss in naive sums, and the samples that all are tried on."""

import math

import numpy as np
import pytest

from dlcli.losses.base import Loss
from dlcli.options import Options

N, UNITS = 7, 5


class Written(Options):
    loss: Loss
    """As a config holds it."""


def read(name) -> Loss:
    """The loss of a case, of a type's name, or of options."""
    return Written.model_validate({"loss": OPTIONS.get(name, name) if isinstance(name, str) else name}).loss


def naive_softmax_cross_entropy(x, d):
    total = sum(math.exp(value) for value in x)
    return -sum(wanted * math.log(math.exp(value) / total) for value, wanted in zip(x, d, strict=True))


def naive_sigmoid_cross_entropy(x, d):
    p = [1 / (1 + math.exp(-value)) for value in x]
    return -sum(w * math.log(q) + (1 - w) * math.log(1 - q) for q, w in zip(p, d, strict=True))


def naive_mean_squared_error(x, d):
    return sum((value - wanted) ** 2 for value, wanted in zip(x, d, strict=True)) / 2


def naive_smoothed(x, d):
    return naive_softmax_cross_entropy(x, [0.7 * wanted + 0.3 / len(d) for wanted in d])


def naive_hinge(x, d, power=1):
    return sum(max(0.0, 1 - (2 * wanted - 1) * value) ** power for value, wanted in zip(x, d, strict=True))


def naive_huber(x, d, delta=1.0):
    sizes = [abs(value - wanted) for value, wanted in zip(x, d, strict=True)]
    return sum(size**2 / 2 if size < delta else delta * (size - delta / 2) for size in sizes)


NAIVE = {
    "hinge": naive_hinge,
    "squared hinge": lambda x, d: naive_hinge(x, d, 2),
    "huber": naive_huber,
    "narrow huber": lambda x, d: naive_huber(x, d, 0.3),
    "mean_squared_error": naive_mean_squared_error,
    "sigmoid_cross_entropy": naive_sigmoid_cross_entropy,
    "softmax_cross_entropy": naive_softmax_cross_entropy,
    "smoothed softmax": naive_smoothed,
}
OPTIONS = {
    "squared hinge": {"type": "hinge", "norm": "l2"},
    "narrow huber": {"type": "huber", "delta": 0.3},
    "smoothed softmax": {"type": "softmax_cross_entropy", "label_smoothing": 0.3},
}
every_loss = pytest.mark.parametrize("name", NAIVE)
every_target = pytest.mark.parametrize("kind", ["classes", "numbers"])


def samples(kind, seed=1, dtype=np.float64, n=N, units=UNITS):
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 2, (n, units)).astype(dtype)
    return x, rng.integers(0, units, n) if kind == "classes" else rng.random((n, units)).astype(dtype)


def one_hot(targets, units=UNITS):
    return targets if targets.ndim == 2 else np.array([[float(j == c) for j in range(units)] for c in targets])


def evaluated(name, x, targets):
    per_sample, gradient = np.full(len(x), np.nan), np.full_like(x, np.nan)
    read(name).evaluate(x, targets, per_sample, gradient)
    return per_sample, gradient
