"""Cases of `k_winners`."""

import numpy as np

from tests.layers.case import Case, Variant


def naive(x, parameters, options, draw):
    k = options["k"] if draw is not None or options["evaluation_k"] is None else options["evaluation_k"]
    y = np.zeros(x.shape)
    for sample, kept in zip(x.reshape(len(x), -1), y.reshape(len(x), -1), strict=True):
        order = sorted(range(len(sample)), key=lambda i: -np.inf if np.isnan(sample[i]) else -sample[i])
        for i in order[:k]:
            kept[i] = sample[i]
    return y


def winners(k, **options):
    return {"type": "k_winners", "k": k, **options}


CASE = Case(
    type="k_winners",
    naive=naive,
    variants=[
        Variant(winners(4), (9,), kinked=True),
        Variant(winners(2, evaluation_k=5), (13,), kinked=True),
        Variant(winners(7), (2, 3, 3), kinked=True),
        Variant(winners(6), (6,), kinked=True),
        Variant(winners(1), (33,), kinked=True, inputs=(-2.0, -1.0)),
    ],
    broken={"k": (0, -1, 2.5, "many", None), "evaluation_k": (0, 1.5, "all")},
    changes={"k": 2, "evaluation_k": 6},
    dead={"evaluation_k": "it acts in evaluation alone: the naive layer has it"},
    refused_shapes=[((3,), "keeps 4 values of each sample, found 3")],
)
