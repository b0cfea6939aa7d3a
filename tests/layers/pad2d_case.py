"""Cases of `pad2d`."""

import numpy as np

from tests.layers.case import Case, Variant


def naive(x, parameters, options, draw):
    top, bottom, left, right = options["padding"]
    y = np.zeros((len(x), top + x.shape[1] + bottom, left + x.shape[2] + right, x.shape[3]))
    for n, h, w, c in np.ndindex(x.shape):
        y[n, top + h, left + w, c] = x[n, h, w, c]
    return y


def pad(padding):
    return {"type": "pad2d", "padding": padding}


CASE = Case(
    type="pad2d",
    naive=naive,
    variants=[
        Variant(pad(1), (3, 4, 2)),
        Variant(pad([2, 0]), (2, 3, 3)),
        Variant(pad([0, 1, 3, 2]), (4, 3, 20)),
        Variant(pad(0), (2, 2, 1)),
    ],
    broken={"padding": (-1, [1, -1], [1], [1, 2, 3], [1, 2, 3, -4], 0.5, "same", None)},
    changes={"padding": [2, 0, 1, 1]},  # of the same shape, moved
    refused_shapes=[((5,), "takes 3 axes"), ((6, 6), "takes 3 axes")],
)
