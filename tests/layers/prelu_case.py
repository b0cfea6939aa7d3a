"""Cases of `prelu`."""

import numpy as np

from tests.layers.case import INITIALISER_BROKEN, MULTIPLIERS_BROKEN, WEIGHTED_CHANGES, WEIGHTED_DEAD, Case, Variant

SHARED = ("initialiser", "weights_options")


def naive(x, parameters, options, draw):
    y = np.empty(x.shape)
    for place in np.ndindex(x.shape):
        slope = parameters["weights"][0 if options["shared"] else place[-1]]
        y[place] = x[place] if x[place] > 0 else slope * x[place]
    return y


CASE = Case(
    type="prelu",
    naive=naive,
    variants=[
        Variant({"type": "prelu"}, (3, 2, 5), 5, kinked=True),
        Variant({"type": "prelu", "shared": True}, (3, 2, 5), 1, kinked=True),
        Variant({"type": "prelu"}, (19,), 19, kinked=True),
    ],
    broken={
        "shared": (1, "yes", None),
        "initialiser": (*INITIALISER_BROKEN, None),
        "weights_options": MULTIPLIERS_BROKEN,
    },
    changes={"shared": True, **{name: WEIGHTED_CHANGES[name] for name in SHARED}},
    dead={name: WEIGHTED_DEAD[name] for name in SHARED},
)
