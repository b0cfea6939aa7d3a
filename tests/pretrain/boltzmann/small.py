"""Small machines, and what a reader would compute of them with loops over all states."""

import itertools
import math

import numpy as np

from dlcli.pretrain.boltzmann.energy import Parameters


def rbm(visible, hidden, *, seed=0, scale=1.0, **more) -> Parameters:
    """One with normal weights and biases; ``variances`` and ``classes`` make it what they say."""
    rng = np.random.default_rng(seed)
    weights, b, c = (scale * rng.normal(size=shape) for shape in ((visible, hidden), visible, hidden))
    variances = rng.uniform(0.5, 2.0, visible) if more.get("gaussian") else None
    if classes := more.get("classes"):
        return Parameters(
            weights, b, c, variances, scale * rng.normal(size=(classes, hidden)), rng.normal(size=classes)
        )
    return Parameters(weights, b, c, variances)


def binary(units):
    """All states, as tuples, the first unit changing fastest."""
    return [state[::-1] for state in itertools.product((0, 1), repeat=units)]


def weight(of: Parameters, v, h, y=None) -> float:
    """e^{−E(v, h)}, term by term; of Gaussian units as the docstring of `energy` writes it."""
    exponent = sum(of.hidden_bias[j] * h[j] for j in range(of.hidden))
    for i in range(of.visible):
        variance = 1.0 if of.variances is None else of.variances[i]
        exponent += sum(v[i] * of.weights[i, j] * h[j] / variance for j in range(of.hidden))
        gaussian = of.variances is not None
        exponent += -((v[i] - of.visible_bias[i]) ** 2) / (2 * variance) if gaussian else of.visible_bias[i] * v[i]
    if y is not None:
        exponent += of.label_bias[y] + sum(of.label_weights[y, j] * h[j] for j in range(of.hidden))
    return math.exp(exponent)
