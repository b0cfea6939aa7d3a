"""Cases of `lp_pool2d`."""

from tests.layers.case import Case, Variant
from tests.layers.pooling import POOL_BROKEN, POOL_CHANGES, POOL_REFUSED, each_window


def naive(x, parameters, options, draw):
    power = options["p"]
    return each_window(x, options, lambda cells, counted: sum(abs(cell) ** power for cell in cells) ** (1 / power))


def pool(size, **options):
    return {"type": "lp_pool2d", "size": size, **options}


CASE = Case(
    type="lp_pool2d",
    naive=naive,
    variants=[
        Variant(pool(2), (6, 5, 3)),
        Variant(pool(3, stride=2, p=1.0), (7, 8, 2), kinked=True),
        Variant(pool(3, stride=2, rounding="up", p=3.0), (6, 8, 2)),
        Variant(pool([2, 3], stride=[3, 1], padding=[1, 2], rounding="up", p=4.5), (5, 4, 3)),
        Variant(pool(2, padding=1, rounding="up"), (4, 5, 1)),
        Variant(pool(3, stride=2, padding="same", p=1.5), (6, 5, 1), inputs=(0.05, 1.0)),
        Variant(pool(2, stride=3), (7, 5, 20)),
        Variant(pool([3, 1], stride=1, padding="same", p=12.0), (4, 3, 10)),
        Variant(pool([1, 40], p=2.5), (1, 41, 2), inputs=(-9.0, 10.0)),
    ],
    broken={**POOL_BROKEN, "p": (0.9, -1.0, "two", None)},
    changes={**POOL_CHANGES, "p": 3.0},
    refused_shapes=POOL_REFUSED,
)
