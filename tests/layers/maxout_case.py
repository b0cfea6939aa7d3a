"""Cases of `maxout`."""

import numpy as np

from tests.layers.case import Case, Variant


def naive(x, parameters, options, draw):
    k = options["pieces"]
    y = np.empty((*x.shape[:-1], x.shape[-1] // k))
    for place in np.ndindex(y.shape):
        cells = [x[(*place[:-1], place[-1] * k + piece)] for piece in range(k)]
        y[place] = float("nan") if any(cell != cell for cell in cells) else max(cells)
    return y


CASE = Case(
    type="maxout",
    naive=naive,
    variants=[
        Variant({"type": "maxout", "pieces": 2}, (3, 2, 12), kinked=True),
        Variant({"type": "maxout", "pieces": 5}, (35,), kinked=True),
        Variant({"type": "maxout", "pieces": 256}, (512,), kinked=True),
    ],
    broken={"pieces": (1, 0, 257, 2.5, "many", None)},
    changes={"pieces": 3},
    refused_shapes=[((3, 2, 7), r"takes a multiple of 2 channels \(pieces\), found 7")],
)
