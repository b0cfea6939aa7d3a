"""Mean field in deep Boltzmann machines, against matrices in float64."""

from itertools import pairwise

import numpy as np
import pytest

from dlcli.kernels.mean_field import mean_field


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def naive(v, weights, biases, steps):
    means, below = [], v
    for place, (w, b) in enumerate(zip(weights, biases, strict=True)):
        factor = 1 if place == len(weights) - 1 else 2
        means.append(sigmoid(factor * (below @ w) + b))
        below = means[-1]
    for _ in range(steps):
        for place, (w, b) in enumerate(zip(weights, biases, strict=True)):
            total = (v if place == 0 else means[place - 1]) @ w + b
            if place < len(weights) - 1:
                total = total + means[place + 1] @ weights[place + 1].T
            means[place] = sigmoid(total)
    return means


@pytest.mark.parametrize("sizes", [(5, 3), (6, 5, 4), (30, 40, 20), (9, 8, 7, 6)])
@pytest.mark.parametrize("steps", [0, 1, 4])
def test_means_are_those_of_the_definition(sizes, steps):
    rng = np.random.default_rng(len(sizes))
    v = rng.random((11, sizes[0]))
    weights = [rng.normal(size=pair) for pair in pairwise(sizes)]
    biases = [rng.normal(size=size) for size in sizes[1:]]
    means = [np.full((11, size), np.nan) for size in sizes[1:]]
    mean_field(v, weights, biases, means, steps)
    for mean, exact in zip(means, naive(v, weights, biases, steps), strict=True):
        np.testing.assert_allclose(mean, exact, rtol=0, atol=1e-12)


def test_it_comes_to_rest():
    rng = np.random.default_rng(0)
    v, weights = rng.random((3, 6)), [0.5 * rng.normal(size=s) for s in ((6, 5), (5, 4))]
    biases = [np.zeros(5), np.zeros(4)]
    one, more = ([np.empty((3, 5)), np.empty((3, 4))] for _ in range(2))
    mean_field(v, weights, biases, one, 200)
    mean_field(v, weights, biases, more, 201)
    assert max(np.abs(a - b).max() for a, b in zip(one, more, strict=True)) < 1e-14
