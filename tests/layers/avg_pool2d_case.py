"""Cases of `avg_pool2d`."""

from tests.layers.case import Case, Variant, With
from tests.layers.pooling import POOL_BROKEN, POOL_CHANGES, POOL_REFUSED, each_window


def naive(x, parameters, options, draw):
    def mean(cells, counted):
        return sum(cells) / (counted if options["count_padding"] else len(cells))

    return each_window(x, options, mean)


def pool(size, **options):
    return {"type": "avg_pool2d", "size": size, **options}


CASE = Case(
    type="avg_pool2d",
    naive=naive,
    variants=[
        Variant(pool(2), (5, 4, 3)),
        Variant(pool(3, stride=1, padding=1), (5, 6, 2)),
        Variant(pool(3, stride=2, rounding="up"), (6, 8, 2)),
        Variant(pool(3, stride=2, rounding="up", count_padding=True), (6, 8, 2)),
        Variant(pool(3, stride=2, padding=[2, 1], rounding="up", count_padding=True), (7, 6, 1)),
        Variant(pool([2, 3], stride=[3, 1], padding=[1, 2], rounding="up"), (5, 4, 3)),
        Variant(pool(3, stride=2, padding="same"), (6, 5, 2)),
        Variant(pool(3, stride=2, padding="same", count_padding=True), (6, 5, 2)),
        Variant(pool([4, 2], stride=1, padding="same", count_padding=True), (5, 3, 1)),
        Variant(pool(7), (7, 7, 20)),
    ],
    broken={**POOL_BROKEN, "count_padding": (1, "yes", None)},
    changes={**POOL_CHANGES, "count_padding": With(True, padding=1)},
    refused_shapes=POOL_REFUSED,
)
