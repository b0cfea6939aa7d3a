"""Cases of `leaky_relu`."""

import numpy as np

from tests.layers.case import Case, Variant


def naive(x, parameters, options, draw):
    y = np.empty(x.shape)
    for place in np.ndindex(x.shape):
        y[place] = x[place] if x[place] > 0 else options["slope"] * x[place]
    return y


CASE = Case(
    type="leaky_relu",
    naive=naive,
    variants=[
        Variant({"type": "leaky_relu"}, (2, 3, 4), kinked=True),
        Variant({"type": "leaky_relu", "slope": 0.3}, (21,), kinked=True),
        Variant({"type": "leaky_relu", "slope": -1.0}, (600,), kinked=True),  # |x|; beyond a wide row
    ],
    broken={"slope": ("small", None, True)},
    changes={"slope": 0.2},
)
