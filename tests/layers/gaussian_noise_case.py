"""Cases of `gaussian_noise`."""

from statistics import NormalDist

import numpy as np

from tests.layers.case import Case, Variant
from tests.layers.naive import random_words


def naive(x, parameters, options, draw):
    if draw is None:
        return x
    words = random_words(x.shape, draw.key, draw.step)
    quantiles = [NormalDist().inv_cdf((int(word) + 0.5) / 2**32) for word in words.reshape(-1)]
    return x + options["deviation"] * np.array(quantiles).reshape(x.shape)


CASE = Case(
    type="gaussian_noise",
    naive=naive,
    variants=[
        Variant({"type": "gaussian_noise", "deviation": 0.3}, (13,)),
        Variant({"type": "gaussian_noise", "deviation": 2.0}, (2, 3, 4)),
    ],
    broken={"deviation": (-0.1, "much", None)},
    changes={"deviation": 0.6},
    random=True,
)
