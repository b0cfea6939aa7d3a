"""Cases of `dropout`."""

import numpy as np

from tests.layers.case import Case, Variant
from tests.layers.masking import RATE_BROKEN, mask


def naive(x, parameters, options, draw):
    if draw is None:
        return x
    return np.where(mask(x, options["rate"], draw), x / (1 - options["rate"]), 0.0)


CASE = Case(
    type="dropout",
    naive=naive,
    variants=[
        Variant({"type": "dropout", "rate": 0.5}, (10,)),
        Variant({"type": "dropout", "rate": 0.2}, (3, 3, 5)),
        Variant({"type": "dropout", "rate": 0.0}, (7,)),
        Variant({"type": "dropout", "rate": 0.9}, (33,)),
    ],
    broken={"rate": RATE_BROKEN},
    changes={"rate": 0.25},
    random=True,
)
