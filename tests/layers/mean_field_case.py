"""Cases of `mean_field`."""

from math import prod

import numpy as np

from tests.layers.case import Case, Variant
from tests.layers.naive import sigmoid


def naive(x, parameters, options, draw, state):
    """[x, q], q the second layer's means, one unit at a time."""
    x, depth = x.reshape(len(x), -1), len(options["units"])
    y = np.zeros((len(x), x.shape[1] + options["units"][1]))
    weights = [state[f"weights_{place}"] for place in range(1, depth + 1)]
    biases = [state[f"bias_{place}"] for place in range(1, depth + 1)]
    for n, sample in enumerate(x):
        layers = [sample]
        for place in range(depth):
            factor = 1 if place == depth - 1 else 2
            totals = [factor * (layers[place] @ weights[place][:, j]) for j in range(len(biases[place]))]
            layers.append(means(totals, biases[place]))
        for _ in range(options["steps"]):
            for place in range(depth):
                totals = [layers[place] @ weights[place][:, j] for j in range(len(biases[place]))]
                if place < depth - 1:
                    totals = [total + layers[place + 2] @ weights[place + 1][j] for j, total in enumerate(totals)]
                layers[place + 1] = means(totals, biases[place])
        y[n] = np.concatenate([sample, layers[2]])
    return y


def means(totals, bias):
    return np.array([sigmoid(float(total + b)) for total, b in zip(totals, bias, strict=True)])


def mean_field(*units, **options):
    return {"type": "mean_field", "units": list(units), **options}


CASE = Case(
    type="mean_field",
    naive=naive,
    variants=[
        Variant(mean_field(3, 2, steps=2), (4,), multiply_adds=2 * 12 + 6 + 2 * 12, inputs=(-0.3, 0.4)),
        Variant(mean_field(5, 4, 3, steps=1), (2, 3, 1), multiply_adds=2 * 50 + 12 + 64, inputs=(-0.3, 0.4)),
        Variant(mean_field(19, 17), (3,), multiply_adds=2 * 57 + 323 + 20 * 323, inputs=(-0.3, 0.4)),
    ],
    broken={"units": ([], [3], [0, 2], 3, "many", None), "steps": (-1, 0.5, "many", None)},
    changes={"units": [3, 4], "steps": 0},
    constant=lambda variant: slice(prod(variant.shape), None),
)
