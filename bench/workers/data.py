"""Made-up batches, the same for every contender."""

from typing import Any

import numpy as np

from bench.nets import Net

BATCHES = 4  # they take turns: one alone would be learnt by heart, and stay in the cache


def batches(net: Net) -> list[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]:
    """Pairs of x (batch, …) in [0, 1), channels last, and class indices y (batch,)."""
    rng = np.random.default_rng(0)
    return [(rng.random((net.batch, *net.shape), np.float32), rng.integers(0, 10, net.batch)) for _ in range(BATCHES)]


def random(*shape: int) -> np.ndarray[Any, Any]:
    """Uniform in [0, 1)."""
    return np.random.default_rng(0).random(shape, np.float32)


def classified(samples: int, inputs: int, classes: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Noisy clusters to learn: x (samples, inputs) float32, y (samples,) class indices."""
    rng = np.random.default_rng(0)
    centres = rng.random((classes, inputs), np.float32)
    y = rng.integers(0, classes, samples)
    return 0.5 * centres[y] + 0.5 * rng.random((samples, inputs), np.float32), y
