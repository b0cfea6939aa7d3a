"""Cases of `crop2d`."""

import numpy as np

from tests.layers.case import Case, Variant, With


def naive(x, parameters, options, draw):
    """Row by row and column by column taken away, from the end and the start in turn, until the size is right."""
    top, bottom, left, right = options["cropping"]
    rows = list(range(top, x.shape[1] - bottom))
    columns = list(range(left, x.shape[2] - right))
    for kept, wanted in zip((rows, columns), options["size"] or (len(rows), len(columns)), strict=True):
        turn = 0
        while len(kept) > wanted:
            kept.pop(0 if turn % 2 else -1)
            turn += 1
    return np.array([[[sample[h, w] for w in columns] for h in rows] for sample in x])


def crop(**options):
    return {"type": "crop2d", **options}


CASE = Case(
    type="crop2d",
    naive=naive,
    variants=[
        Variant(crop(cropping=1), (5, 4, 2)),
        Variant(crop(cropping=[2, 0]), (5, 3, 3)),
        Variant(crop(cropping=[0, 1, 3, 2]), (4, 6, 20)),
        Variant(crop(size=3), (4, 5, 2)),
        Variant(crop(size=[2, 5]), (5, 6, 1)),
        Variant(crop(cropping=[1, 0, 0, 1], size=2), (4, 4, 2)),
        Variant(crop(), (2, 3, 2)),
    ],
    broken={
        "cropping": (-1, [1, -1], [1], [1, 2, 3], [1, 2, 3, -4], 0.5, "same", None),
        "size": (0, [2, 0], [2], [1, 2, 3, 4], 1.5, "2"),
    },
    changes={"cropping": [2, 0, 1, 1], "size": With([1, 2], cropping=[0, 0, 1, 1])},
    refused_shapes=[
        ((5,), "takes 3 axes"),
        ((6, 6), "takes 3 axes"),
        ((2, 6, 1), r"cropping \[1, 1, 1, 1\] leaves nothing of 2 × 6"),
    ],
)
