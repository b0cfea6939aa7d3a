"""Cases of `elu`."""

import math

import numpy as np

from tests.layers.case import Case, Variant


def naive(x, parameters, options, draw):
    y = np.empty(x.shape)
    for place in np.ndindex(x.shape):
        y[place] = x[place] if x[place] > 0 else options["alpha"] * math.expm1(x[place])
    return y


CASE = Case(
    type="elu",
    naive=naive,
    variants=[
        Variant({"type": "elu"}, (2, 3, 4)),
        Variant({"type": "elu", "alpha": 0.5}, (21,), kinked=True),  # at zero the slope jumps from α to 1
        Variant({"type": "elu", "alpha": 2.0}, (5,), inputs=(-30.0, -1e-3)),
        Variant({"type": "elu"}, (5,), inputs=(-2e-3, -5e-4)),  # e^x − 1 would cancel
    ],
    broken={"alpha": (0.0, -1.0, "small", None)},
    changes={"alpha": 0.5},
)
