"""Cases of `dense_transposed`, whose weights are another layer's: its own parameters are the bias alone."""

import numpy as np

from tests.layers.case import (
    ACTIVATION_BROKEN,
    INITIALISER_BROKEN,
    MULTIPLIERS_BROKEN,
    WEIGHTED_CHANGES,
    WEIGHTED_DEAD,
    Case,
    Variant,
)
from tests.layers.naive import activate


def naive(h, parameters, options, draw):
    h, weights = h.reshape(len(h), -1), parameters["weights"]
    y = np.zeros((len(h), weights.shape[0]))
    for n in range(len(h)):
        for i in range(weights.shape[0]):
            total = parameters["bias"][i]
            for j in range(weights.shape[1]):
                total += h[n, j] * weights[i, j]
            y[n, i] = total
    return activate(options["activation"], y)


def mirror(activation="linear"):
    return {"type": "dense_transposed", "tied_to": "encoder", "units": 4, "activation": activation}


CASE = Case(
    type="dense_transposed",
    naive=naive,
    before=[
        {"type": "dense", "name": "encoder", "units": 6},  # (4,) → (6,): its weights are (4, 6)
    ],
    variants=[
        Variant(mirror(), (6,), 4),
        Variant(mirror("sigmoid"), (6,), 4),
        Variant(mirror("tanh"), (2, 3), 4),
        Variant(mirror("relu"), (6,), 4, kinked=True),
    ],
    broken={
        "tied_to": ("", 3, None),
        "units": (0, -1, 2.5, None),
        "activation": ACTIVATION_BROKEN,
        "bias_initialiser": INITIALISER_BROKEN,
        "bias_options": MULTIPLIERS_BROKEN,
    },
    changes={
        "tied_to": "another",
        "units": 5,
        "activation": "tanh",
        **{name: WEIGHTED_CHANGES[name] for name in ("bias_initialiser", "bias_options")},
    },
    dead={
        "tied_to": "the network looks the weights up: tests/test_network.py",
        **{name: WEIGHTED_DEAD[name] for name in ("bias_initialiser", "bias_options")},
    },
)
