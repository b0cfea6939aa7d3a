"""Cases of `multiply`."""

from math import prod

from tests.layers.case import Case, Variant, split


def naive(x, parameters, options, draw, shapes):
    return prod(split(x, shapes))


CASE = Case(
    type="multiply",
    naive=naive,
    variants=[
        Variant({"type": "multiply"}, several=((2, 3, 4), (2, 3, 4))),
        Variant({"type": "multiply"}, several=((19,), (19,), (19,))),
    ],
    refused_shapes=[(((4,), (5,)), "takes inputs of one shape")],
)
