"""Cases of `concat`."""

import numpy as np

from tests.layers.case import Case, Variant, split


def naive(x, parameters, options, draw, shapes):
    parts = split(x, shapes)
    y = np.empty((*parts[0].shape[:-1], sum(part.shape[-1] for part in parts)))
    start = 0
    for part in parts:
        for channel in range(part.shape[-1]):
            y[..., start + channel] = part[..., channel]
        start += part.shape[-1]
    return y


CASE = Case(
    type="concat",
    naive=naive,
    variants=[
        Variant({"type": "concat"}, several=((2, 3, 4), (2, 3, 1))),
        Variant({"type": "concat"}, several=((5,), (2,), (17,))),
    ],
    refused_shapes=[(((2, 3, 4), (3, 3, 4)), "differ in their last axis alone")],
)
