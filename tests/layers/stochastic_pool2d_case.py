"""Cases of `stochastic_pool2d`."""

import math

from tests.layers.case import Case, Variant
from tests.layers.naive import random_words
from tests.layers.pooling import POOL_BROKEN, POOL_CHANGES, POOL_REFUSED, each_window


def naive(x, parameters, options, draw):
    if draw is None:
        return each_window(x, options, weighted)
    shape = each_window(x, options, lambda cells, counted: 0.0).shape
    words = iter(random_words(shape, draw.key, draw.step).reshape(-1))
    return each_window(x, options, lambda cells, counted: drawn(cells, (int(next(words)) >> 8) / 2**24))


def positive(cells):
    return [0.0 if cell < 0 else cell for cell in cells]


def weighted(cells, counted):
    total = sum(positive(cells))
    return sum(cell * cell for cell in positive(cells)) / total if total else 0.0


def drawn(cells, u):
    """The cell into whose share of the sum ``u`` falls."""
    total, before = sum(positive(cells)), 0.0
    if math.isnan(total):
        return total
    for cell in positive(cells):
        before += cell
        if before > u * total:
            return cell
    return 0.0


def pool(size, **options):
    return {"type": "stochastic_pool2d", "size": size, **options}


ABOVE = (0.05, 1.0)  # a value of 0 has a kink

CASE = Case(
    type="stochastic_pool2d",
    naive=naive,
    variants=[
        Variant(pool(2), (6, 5, 3), kinked=True, inputs=ABOVE),
        Variant(pool(3, stride=2), (7, 8, 2), kinked=True),
        Variant(pool(3, stride=2, rounding="up"), (6, 8, 2), kinked=True, inputs=ABOVE),
        Variant(pool([2, 3], stride=[3, 1], padding=[1, 2], rounding="up"), (5, 4, 3), kinked=True),
        Variant(pool(2, padding=1, rounding="up"), (4, 5, 1), kinked=True, inputs=ABOVE),
        Variant(pool(2, stride=3), (7, 5, 20), kinked=True, inputs=(-2.0, 0.5)),  # many windows without a value
        Variant(pool([3, 1], stride=1, padding="same"), (4, 3, 10), kinked=True, inputs=ABOVE),
        Variant(pool([1, 256]), (1, 256, 2), kinked=True, inputs=ABOVE),  # its places don't fit a byte
    ],
    broken=POOL_BROKEN,
    changes=POOL_CHANGES,
    refused_shapes=POOL_REFUSED,
    random=True,
)
