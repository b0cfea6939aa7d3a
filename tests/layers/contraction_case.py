"""Cases of `contraction`, an identity whose penalty looks at another layer's weights."""

import numpy as np

from tests.layers.case import Case, Variant


def penalty(h, options, parameters):
    """weight · mean over samples of the squared norm of the Jacobian, of which every element is made."""
    weights, total = parameters["weights"], 0.0
    for row in h.reshape(len(h), -1):
        slopes = [y * (1 - y) if options["activation"] == "sigmoid" else 1 - y * y for y in row]
        jacobian = np.array([[slopes[j] * weights[i, j] for i in range(len(weights))] for j in range(len(row))])
        total += np.sum(jacobian**2) / len(h)
    return options["weight"] * total


def contraction(**options):
    return {"type": "contraction", "tied_to": "encoder", "fan_in": 4, "weight": 0.3} | options


def encoder(activation):
    """(4,) → (6,): its weights are (4, 6)."""
    return [{"type": "dense", "name": "encoder", "units": 6, "activation": activation}]


CASE = Case(
    type="contraction",
    naive=lambda x, parameters, options, draw: x,
    penalty=penalty,
    before=encoder("sigmoid"),
    variants=[
        Variant(contraction(), (6,), inputs=(0.02, 0.98), multiply_adds=0),
        Variant(
            contraction(activation="tanh", weight=2.0),
            (6,),
            inputs=(-0.97, 0.98),
            before=[*encoder("linear"), {"type": "activation", "function": "tanh"}],
            multiply_adds=0,
        ),
        Variant(contraction(weight=0.5), (2, 3), inputs=(0.05, 0.9), multiply_adds=0),
    ],
    broken={
        "tied_to": ("", 3, None),
        "fan_in": (0, 1.5, None),
        "activation": ("relu", None, 1),
        "weight": (-0.1, "much", None),
    },
    changes={"tied_to": "another", "fan_in": 5, "activation": "tanh", "weight": 0.9},
    dead={"tied_to": "the network looks the weights up: tests/pretrain/test_autoencoder.py"},
)
