"""Cases of `max_unpool2d`."""

import numpy as np

from tests.layers.case import Case, Variant, With, split
from tests.layers.naive import sides, windows
from tests.layers.pooling import POOL_BROKEN


def naive(x, parameters, options, draw, shapes):
    values, images = split(x, shapes)
    size, stride = options["size"], options["stride"] or options["size"]
    up = options["rounding"] == "up"
    tops = [windows(images.shape[1 + a], size[a], stride[a], sides(options["padding"])[a], up=up)[1] for a in (0, 1)]
    y = np.zeros(images.shape)
    for n, p, q, c in np.ndindex(values.shape):
        best, place = -np.inf, None
        for i, j in np.ndindex(*size):
            h, w = p * stride[0] - tops[0] + i, q * stride[1] - tops[1] + j
            if 0 <= h < images.shape[1] and 0 <= w < images.shape[2]:
                cell = images[n, h, w, c]
                if place is None or cell > best or (cell != cell and best == best):
                    best, place = cell, (h, w)
        y[n, *place, c] += values[n, p, q, c]
    return y


def unpool(size, **options):
    return {"type": "max_unpool2d", "size": size, **options}


CASE = Case(
    type="max_unpool2d",
    naive=naive,
    variants=[
        Variant(unpool(2, stride=3), several=((3, 2, 5), (8, 7, 5)), kinked=True),
        Variant(unpool(2), several=((3, 2, 1), (7, 5, 1)), kinked=True),  # cells that no window has
        Variant(unpool(3, stride=2), several=((3, 3, 4), (7, 8, 4)), kinked=True),  # windows overlap
        Variant(unpool([2, 3], padding=[1, 1], rounding="up"), several=((3, 3, 2), (4, 6, 2)), kinked=True),
        Variant(unpool([1, 300]), several=((1, 1, 1), (1, 300, 1)), kinked=True),  # places no longer fit a byte
    ],
    broken=POOL_BROKEN,
    changes={"size": [1, 2], "stride": [3, 4], "padding": [1, 0], "rounding": With("up", stride=[3, 5])},
    dead={"rounding": "it decides how many windows there are, and the values must be as many"},
    refused_shapes=[
        (((3, 2, 5),), "found 1"),
        (((3, 2, 5), (8, 7, 4)), r"takes values of shape \[3, 2, 4\]"),
        (((3, 2, 5), (30,)), "takes 3 axes"),
    ],
)
