"""Cases of `upsample2d`."""

import numpy as np

from tests.layers.case import Case, Variant


def naive(x, parameters, options, draw):
    down, right = options["factor"]
    y = np.empty((len(x), x.shape[1] * down, x.shape[2] * right, x.shape[3]))
    for n, h, w, c in np.ndindex(y.shape):
        y[n, h, w, c] = x[n, h // down, w // right, c]
    return y


CASE = Case(
    type="upsample2d",
    naive=naive,
    variants=[
        Variant({"type": "upsample2d", "factor": 2}, (3, 2, 3)),
        Variant({"type": "upsample2d", "factor": [1, 3]}, (2, 3, 17)),
        Variant({"type": "upsample2d", "factor": [3, 2]}, (1, 4, 1)),
    ],
    broken={"factor": (0, [2, 0], [2], 1.5, "2", None)},
    changes={"factor": [2, 1]},
    refused_shapes=[((5,), "takes 3 axes"), ((6, 6), "takes 3 axes")],
)
