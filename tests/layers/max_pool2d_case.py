"""Cases of `max_pool2d`."""

from tests.layers.case import Case, Variant
from tests.layers.pooling import POOL_BROKEN, POOL_CHANGES, POOL_REFUSED, each_window


def naive(x, parameters, options, draw):
    def largest(cells, counted):
        if any(cell != cell for cell in cells):
            return float("nan")
        return max(cells)

    return each_window(x, options, largest)


def pool(size, **options):
    return {"type": "max_pool2d", "size": size, **options}


CASE = Case(
    type="max_pool2d",
    naive=naive,
    variants=[
        Variant(pool(2), (6, 5, 3), kinked=True),
        Variant(pool(3, stride=2), (7, 8, 2), kinked=True),
        Variant(pool(3, stride=2, rounding="up"), (6, 8, 2), kinked=True),
        Variant(pool([2, 3], stride=[3, 1], padding=[1, 2], rounding="up"), (5, 4, 3), kinked=True),
        Variant(pool(2, padding=1, rounding="up"), (4, 5, 1), kinked=True, inputs=(-2.0, -1.0)),  # zeros would win
        Variant(pool(3, stride=2, padding="same"), (6, 5, 1), kinked=True),
        Variant(pool(2, stride=3), (7, 5, 20), kinked=True),
        Variant(pool([3, 1], stride=1, padding="same"), (4, 3, 2), kinked=True),
        Variant(pool([1, 512]), (1, 512, 4), kinked=True),  # more than 256 cells: places no longer fit a byte
        Variant(pool(1), (3, 2, 2)),
    ],
    broken=POOL_BROKEN,
    changes=POOL_CHANGES,
    refused_shapes=POOL_REFUSED,
)
