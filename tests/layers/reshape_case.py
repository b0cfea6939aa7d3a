"""Cases of `reshape`."""

from tests.layers.case import Case, Variant


def naive(x, parameters, options, draw):
    return x.reshape(len(x), *options["shape"])


CASE = Case(
    type="reshape",
    naive=naive,
    variants=[
        Variant({"type": "reshape", "shape": [2, 3, 4]}, (24,)),
        Variant({"type": "reshape", "shape": [6]}, (3, 2)),
    ],
    broken={"shape": ([], 24, [0, 24], [2.0, 12], "flat", None)},
    changes={"shape": [4, 6]},
    refused_shapes=[((23,), r"shape \[2, 3, 4\] takes 24 values, found 23")],
)
