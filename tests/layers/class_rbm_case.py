"""Cases of `class_rbm`."""

import numpy as np

from tests.layers.case import INITIALISER_BROKEN, MULTIPLIERS_BROKEN, WEIGHTED_CHANGES, WEIGHTED_DEAD, Case, Variant

OPTIONS = ("initialiser", "bias_initialiser", "weights_options", "bias_options")


def naive(x, parameters, options, draw):
    """−F(x, k) without the part that all classes share, −bᵀx, by the energy's definition."""
    x = x.reshape(len(x), -1)
    weights, bias, visible_bias = (parameters[name] for name in ("weights", "bias", "visible_bias"))
    size, y = x.shape[1], np.zeros((len(x), options["classes"]))
    for n, k in np.ndindex(y.shape):
        y[n, k] = visible_bias[size + k]
        for j in range(options["units"]):
            total = bias[j] + weights[size + k, j] + sum(x[n, i] * weights[i, j] for i in range(size))
            y[n, k] += np.log1p(np.exp(total))
    return y


def class_rbm(units, classes, **options):
    return {"type": "class_rbm", "units": units, "classes": classes, **options}


CASE = Case(
    type="class_rbm",
    naive=naive,
    variants=[
        Variant(class_rbm(3, 2), (4,), (4 + 2) * 3 + 3 + 6, multiply_adds=12),
        Variant(class_rbm(70, 3), (2, 3, 1), 9 * 70 + 70 + 9, multiply_adds=420),
        Variant(class_rbm(19, 10), (5,), 15 * 19 + 19 + 15, multiply_adds=95),
    ],
    broken={
        "units": (0, -1, 2.5, "many", None),
        "classes": (0, -1, 2.5, "many", None),
        "initialiser": (*INITIALISER_BROKEN, None),
        "bias_initialiser": (*INITIALISER_BROKEN, None),
        "weights_options": MULTIPLIERS_BROKEN,
        "bias_options": MULTIPLIERS_BROKEN,
    },
    changes={"units": 5, "classes": 3, **{name: WEIGHTED_CHANGES[name] for name in OPTIONS}},
    dead={name: WEIGHTED_DEAD[name] for name in OPTIONS if name in WEIGHTED_DEAD},
)
