"""Cases of `scale`."""

import numpy as np

from tests.layers.case import WEIGHTED_BROKEN, WEIGHTED_CHANGES, WEIGHTED_DEAD, Case, Variant
from tests.layers.naive import activate


def naive(x, parameters, options, draw):
    y = np.empty(x.shape)
    for place in np.ndindex(x.shape):
        c = place[-1]
        y[place] = parameters["weights"][c] * x[place] + (parameters["bias"][c] if options["bias"] else 0.0)
    return activate(options["activation"], y)


def scale(**options):
    return {"type": "scale", **options}


CASE = Case(
    type="scale",
    naive=naive,
    variants=[
        Variant(scale(), (3, 2, 6), 12),
        Variant(scale(activation="sigmoid"), (5,), 10),
        Variant(scale(bias=False), (2, 17), 17),
        Variant(scale(activation="relu"), (1,), 2, kinked=True),
    ],
    broken=WEIGHTED_BROKEN,
    changes=WEIGHTED_CHANGES,
    dead=WEIGHTED_DEAD,
)
