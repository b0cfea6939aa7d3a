"""Cases of `masking_noise`."""

import numpy as np

from tests.layers.case import Case, Variant
from tests.layers.masking import RATE_BROKEN, mask


def naive(x, parameters, options, draw):
    return x if draw is None else np.where(mask(x, options["rate"], draw), x, 0.0)


CASE = Case(
    type="masking_noise",
    naive=naive,
    variants=[
        Variant({"type": "masking_noise", "rate": 0.3}, (13,)),
        Variant({"type": "masking_noise", "rate": 0.5}, (2, 3, 4)),
    ],
    broken={"rate": RATE_BROKEN},
    changes={"rate": 0.6},
    random=True,
)
