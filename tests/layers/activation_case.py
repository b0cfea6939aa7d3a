"""Cases of `activation`."""

from tests.layers.case import ACTIVATION_BROKEN, Case, Variant
from tests.layers.naive import ACTIVATIONS, activate


def naive(x, parameters, options, draw):
    return activate(options["function"], x)


CASE = Case(
    type="activation",
    naive=naive,
    variants=[
        Variant({"type": "activation", "function": function}, shape, kinked=function == "relu")
        for function, shape in zip(ACTIVATIONS, [(5,), (21,), (2, 3, 4), (5, 2), (4, 3, 2), (7,)], strict=True)
    ],
    broken={"function": (*ACTIVATION_BROKEN, None)},
    changes={"function": "sigmoid"},
)
