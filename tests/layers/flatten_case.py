"""Cases of `flatten`."""

from tests.layers.case import Case, Variant

CASE = Case(
    type="flatten",
    naive=lambda x, parameters, options, draw: x.reshape(len(x), -1),
    variants=[
        Variant({"type": "flatten"}, (3, 4, 2)),
        Variant({"type": "flatten"}, (5,)),
    ],
)
