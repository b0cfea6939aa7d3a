"""Cases of `lrn`."""

import numpy as np

from tests.layers.case import Case, Variant


def naive(x, parameters, options, draw):
    n, k = options["size"], options["k"]
    weight = options["alpha"] / (n if options["convention"] == "caffe" else 1)
    channels, y = x.shape[-1], np.empty(x.shape)
    for place in np.ndindex(x.shape):
        first = place[-1] - n // 2
        window = [x[(*place[:-1], j)] for j in range(first, first + n) if 0 <= j < channels]
        y[place] = x[place] / (k + weight * sum(value * value for value in window)) ** options["beta"]
    return y


def lrn(**options):
    return {"type": "lrn", "alpha": 0.8, **options}  # large, so that a wrong window shows


CASE = Case(
    type="lrn",
    naive=naive,
    variants=[
        Variant(lrn(), (2, 2, 11)),
        Variant(lrn(size=3, beta=0.5, k=0.5), (3, 2, 20)),
        Variant(lrn(size=4, beta=1.3), (2, 1, 9)),  # an even window: two before, one after
        Variant(lrn(convention="caffe"), (1, 3, 33)),
        Variant(lrn(size=9), (2, 2, 3)),  # wider than there are channels
        Variant(lrn(size=1), (7,)),
    ],
    broken={
        "size": (0, 2.5, "5", None),
        "alpha": (-0.1, "small", None),
        "beta": (0.0, -0.75, None),
        "k": (0.0, -1.0, None),
        "convention": ("torch", 1, None),
    },
    changes={"size": 3, "alpha": 0.4, "beta": 0.5, "k": 1.0, "convention": "caffe"},
)
