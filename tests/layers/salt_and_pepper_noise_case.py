"""Cases of `salt_and_pepper_noise`."""

import numpy as np

from tests.layers.case import Case, Variant
from tests.layers.masking import RATE_BROKEN, mask
from tests.layers.naive import random_words


def naive(x, parameters, options, draw):
    if draw is None:
        return x
    salted = random_words(x.shape, draw.key, draw.step) >= (1 - options["rate"] / 2) * 2**32
    return np.where(mask(x, options["rate"], draw), x, np.where(salted, options["high"], options["low"]))


CASE = Case(
    type="salt_and_pepper_noise",
    naive=naive,
    variants=[
        Variant({"type": "salt_and_pepper_noise", "rate": 0.6}, (13,)),
        Variant({"type": "salt_and_pepper_noise", "rate": 0.5, "low": -2.0, "high": 0.5}, (2, 3, 4)),
        Variant({"type": "salt_and_pepper_noise", "rate": 0.0}, (5,)),
    ],
    broken={"rate": RATE_BROKEN, "low": ("least", None), "high": ("most", None)},
    changes={"rate": 0.3, "low": -1.0, "high": 2.0},
    random=True,
)
