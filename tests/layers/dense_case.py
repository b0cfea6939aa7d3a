"""Cases of `dense`."""

import numpy as np

from tests.layers.case import (
    MIRRORS_BROKEN,
    MIRRORS_DEAD,
    WEIGHTED_BROKEN,
    WEIGHTED_CHANGES,
    WEIGHTED_DEAD,
    Case,
    Variant,
)
from tests.layers.naive import activate


def naive(x, parameters, options, draw):
    x, weights = x.reshape(len(x), -1), parameters["weights"]
    y = np.zeros((len(x), weights.shape[1]))
    for n in range(len(x)):
        for j in range(weights.shape[1]):
            total = parameters["bias"][j] if options["bias"] else 0.0
            for i in range(weights.shape[0]):
                total += x[n, i] * weights[i, j]
            y[n, j] = total
    return activate(options["activation"], y)


def dense(units, **options):
    return {"type": "dense", "units": units, **options}


CASE = Case(
    type="dense",
    naive=naive,
    variants=[
        Variant(dense(4), (7,), 7 * 4 + 4),
        Variant(dense(1), (1,), 2),
        Variant(dense(20, bias=False), (3,), 60),
        Variant(dense(3, activation="sigmoid"), (2, 3, 4), 24 * 3 + 3),
        Variant(dense(35, activation="tanh"), (18,), 18 * 35 + 35),
        Variant(dense(5, activation="scaled_tanh", bias=False), (6,), 30),
        Variant(dense(9, activation="relu"), (5,), 54, kinked=True),
        Variant(dense(6, activation="softplus"), (5, 2), 66),
    ],
    broken={"units": (0, -3, 2.5, "many", True, None), "mirrors": MIRRORS_BROKEN, **WEIGHTED_BROKEN},
    changes={"units": 5, "mirrors": "another", **WEIGHTED_CHANGES},
    dead={"mirrors": MIRRORS_DEAD, **WEIGHTED_DEAD},
)
