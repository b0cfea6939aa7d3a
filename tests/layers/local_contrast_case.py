"""Cases of `local_contrast`."""

import math

import numpy as np

from tests.layers.case import Case, Variant


def around(plane, options):
    """The weighted mean of the plane (H, W) around each of its places."""
    (high, wide), result = options["size"], np.zeros(plane.shape)
    sigmas = [options["sigma"] or length / 4 for length in (high, wide)]
    for h, w in np.ndindex(plane.shape):
        total = weight = 0.0
        for i, j in np.ndindex(high, wide):
            p, q = i - high // 2, j - wide // 2
            if 0 <= h + p < plane.shape[0] and 0 <= w + q < plane.shape[1]:
                g = math.exp(-0.5 * ((p / sigmas[0]) ** 2 + (q / sigmas[1]) ** 2))
                total, weight = total + g * plane[h + p, w + q], weight + g
        result[h, w] = total / weight
    return result


def naive(x, parameters, options, draw):
    y = np.empty(x.shape)
    for n in range(len(x)):
        v = x[n] - around(x[n].mean(-1), options)[..., None]
        deviation = np.sqrt(around((v**2).mean(-1), options))
        y[n] = v / np.maximum(np.maximum(deviation, deviation.mean()), options["floor"])[..., None]
    return y


def contrast(**options):
    return {"type": "local_contrast", **options}


CASE = Case(
    type="local_contrast",
    naive=naive,
    variants=[
        Variant(contrast(size=3), (5, 6, 2), kinked=True),
        Variant(contrast(), (7, 5, 3), kinked=True),  # larger than the image
        Variant(contrast(size=[1, 5], sigma=0.8), (4, 8, 1), kinked=True),
        Variant(contrast(size=[5, 3], sigma=2.0), (5, 4, 35), kinked=True),
        Variant(contrast(size=3, floor=0.6), (5, 6, 2), kinked=True),  # the floor is between the deviations
        Variant(contrast(size=1), (3, 4, 5), kinked=True),  # across channels alone
    ],
    broken={
        "size": (0, 4, [3, 2], [3], 2.5, "3", None),
        "sigma": (0.0, -1.0, "wide"),
        "floor": (0.0, -1e-4, None),
    },
    changes={"size": 5, "sigma": 2.0, "floor": 1.0},
    refused_shapes=[((5,), "takes 3 axes"), ((6, 6), "takes 3 axes")],
)
