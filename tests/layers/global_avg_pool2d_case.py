"""Cases of `global_avg_pool2d`."""

import numpy as np

from tests.layers.case import Case, Variant

POOL = {"type": "global_avg_pool2d"}


def naive(x, parameters, options, draw):
    y = np.zeros((len(x), x.shape[3]))
    for n, h, w, c in np.ndindex(x.shape):
        y[n, c] += x[n, h, w, c] / (x.shape[1] * x.shape[2])
    return y


CASE = Case(
    type="global_avg_pool2d",
    naive=naive,
    variants=[
        Variant(POOL, (5, 4, 3)),
        Variant(POOL, (19, 31, 1)),  # 512 positions side by side, and a rest
        Variant(POOL, (3, 2, 70)),
        Variant(POOL, (1, 1, 5)),
    ],
    refused_shapes=[((5,), "takes 3 axes"), ((6, 6), "takes 3 axes")],
)
