"""Cases of `batch_norm`."""

import math

import numpy as np

from tests.layers.case import ACTIVATION_BROKEN, MULTIPLIERS_BROKEN, WEIGHTED_CHANGES, WEIGHTED_DEAD, Case, Variant
from tests.layers.naive import activate


def moments(values: list[float]) -> tuple[float, float]:
    """Mean and biased variance."""
    mean = sum(values) / len(values)
    return mean, sum((value - mean) ** 2 for value in values) / len(values)


def naive(x, parameters, options, draw, state):
    y = np.empty(x.shape)
    for c in range(x.shape[-1]):
        mean, variance = state["running_mean"][c], state["running_variance"][c]
        if draw is not None:
            mean, variance = moments(x[..., c].reshape(-1).tolist())
        scale = parameters["weights"][c] if options["scale"] else 1.0
        shift = parameters["bias"][c] if options["shift"] else 0.0
        y[..., c] = scale * (x[..., c] - mean) / math.sqrt(variance + options["epsilon"]) + shift
    return activate(options["activation"], y)


def batch_norm(**options):
    return {"type": "batch_norm", **options}


CASE = Case(
    type="batch_norm",
    naive=naive,
    variants=[
        Variant(batch_norm(), (3, 2, 6), 12),
        Variant(batch_norm(epsilon=0.1), (17,), 34),
        Variant(batch_norm(scale=False, activation="tanh"), (2, 3, 3), 3),
        Variant(batch_norm(shift=False, activation="sigmoid"), (4, 2), 2),
        Variant(batch_norm(scale=False, shift=False), (3, 2, 1)),
        Variant(batch_norm(activation="relu"), (3, 3, 2), 4, kinked=True),
    ],
    broken={
        "momentum": (-0.1, 1.0, "most", None),
        "epsilon": (0.0, -1e-5, None),
        "scale": (1, "yes", None),
        "shift": (1, "yes", None),
        "activation": ACTIVATION_BROKEN,
        "weights_options": MULTIPLIERS_BROKEN,
        "bias_options": MULTIPLIERS_BROKEN,
    },
    changes={
        "momentum": 0.5,
        "epsilon": 0.1,
        "scale": False,
        "shift": False,
        **{name: WEIGHTED_CHANGES[name] for name in ("activation", "weights_options", "bias_options")},
    },
    dead={
        "momentum": "it acts on the running statistics: tests/layers/test_batch_norm.py",
        **{name: WEIGHTED_DEAD[name] for name in ("weights_options", "bias_options")},
    },
)
