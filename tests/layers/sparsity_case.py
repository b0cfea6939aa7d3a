"""Cases of `sparsity`, an identity that adds a penalty to the loss."""

import math

import numpy as np

from tests.layers.case import Case, Variant


def penalty(x, options, parameters):
    """weight · Σ_j KL(target ‖ mean of unit j, kept 1e-6 from 0 and 1) + l1 · mean over samples of Σ_j |x_j|."""
    rows, rho = x.reshape(len(x), -1), options["target"]
    total = 0.0
    for unit in rows.T:
        mean = min(max(math.fsum(unit) / len(unit), 1e-6), 1 - 1e-6)
        divergence = rho * math.log(rho / mean) + (1 - rho) * math.log((1 - rho) / (1 - mean))
        total += options["weight"] * divergence + options["l1"] * math.fsum(np.abs(unit)) / len(unit)
    return total


ACTIVITIES = (0.02, 0.98)

CASE = Case(
    type="sparsity",
    naive=lambda x, parameters, options, draw: x,
    penalty=penalty,
    variants=[
        Variant({"type": "sparsity", "weight": 0.3}, (6,), inputs=ACTIVITIES),
        Variant({"type": "sparsity", "weight": 2.0, "target": 0.4, "l1": 0.5}, (2, 2, 3), inputs=ACTIVITIES),
        Variant({"type": "sparsity", "l1": 0.25}, (7,), kinked=True),
        Variant({"type": "sparsity"}, (4,)),
    ],
    broken={
        "target": (0.0, 1.0, -0.5, "low", None),
        "weight": (-0.1, "much", None),
        "l1": (-1.0, None),
        "running_mean": (-0.1, 1.0, "most", None),
    },
    changes={"target": 0.2, "weight": 0.6, "l1": 0.1, "running_mean": 0.7},
)
