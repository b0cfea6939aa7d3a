"""Cases of `add`."""

from tests.layers.case import ACTIVATION_BROKEN, Case, Variant, split
from tests.layers.naive import activate


def naive(x, parameters, options, draw, shapes):
    return activate(options["activation"], sum(split(x, shapes)))


CASE = Case(
    type="add",
    naive=naive,
    variants=[
        Variant({"type": "add"}, several=((2, 3, 4), (2, 3, 4))),
        Variant({"type": "add", "activation": "tanh"}, several=((5,), (5,), (5,))),
        Variant({"type": "add", "activation": "relu"}, several=((17,), (17,)), kinked=True),
    ],
    broken={"activation": ACTIVATION_BROKEN},
    changes={"activation": "sigmoid"},
    refused_shapes=[
        (((2, 3, 4),), "takes two inputs or more, found 1"),
        (((2, 3, 4), (2, 3, 5)), "takes inputs of one shape"),
    ],
)
