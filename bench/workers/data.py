"""Made-up batches, the same for every contender."""

from typing import Any

import numpy as np

from bench.nets import Net

BATCHES = 4  # they take turns: one alone would be learnt by heart, and stay in the cache


def batches(net: Net) -> list[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]:
    """Pairs of x (batch, …) in [0, 1), channels last, and class indices y (batch,)."""
    rng = np.random.default_rng(0)
    return [(rng.random((net.batch, *net.shape), np.float32), rng.integers(0, 10, net.batch)) for _ in range(BATCHES)]
