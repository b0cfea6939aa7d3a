"""Cases of `locally_connected2d`."""

import numpy as np

from tests.layers.case import WEIGHTED_BROKEN, WEIGHTED_CHANGES, WEIGHTED_DEAD, Case, Variant
from tests.layers.naive import activate, sides, windows


def naive(x, parameters, options, draw):
    """Pad with zeros, then one output at a time, with the weights of its position."""
    weights, bias = parameters["weights"], parameters.get("bias")
    kernel, stride = options["kernel_size"], options["stride"]
    axes = [windows(x.shape[1 + a], kernel[a], stride[a], sides(options["padding"])[a]) for a in (0, 1)]
    (rows, top, bottom), (columns, left, right) = axes
    padded = np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)))
    y = np.zeros((len(x), rows, columns, weights.shape[5]))
    for n, p, q, f in np.ndindex(y.shape):
        total = bias[p, q, f] if options["bias"] else 0.0
        for i, j, c in np.ndindex(kernel[0], kernel[1], x.shape[3]):
            total += padded[n, p * stride[0] + i, q * stride[1] + j, c] * weights[p, q, i, j, c, f]
        y[n, p, q, f] = total
    return activate(options["activation"], y)


def local(filters, kernel_size, **options):
    return {"type": "locally_connected2d", "filters": filters, "kernel_size": kernel_size, **options}


CASE = Case(
    type="locally_connected2d",
    naive=naive,
    variants=[
        Variant(local(2, 3), (5, 4, 2), 3 * 2 * (18 * 2 + 2)),
        Variant(local(3, [2, 3], stride=[2, 1], padding="same"), (5, 4, 1), 3 * 4 * (6 * 3 + 3)),
        Variant(local(18, 2, bias=False), (3, 2, 1), 2 * 1 * 4 * 18),  # more filters than a panel has columns
        Variant(local(2, [3, 2], padding=[2, 1], activation="tanh"), (3, 2, 2), 5 * 3 * (12 * 2 + 2)),
        Variant(
            local(1, 2, stride=3, activation="scaled_tanh"), (6, 5, 18), 2 * 2 * (72 + 1)
        ),  # pixels that none reads
        Variant(local(3, 1, activation="relu"), (2, 3, 2), 2 * 3 * (2 * 3 + 3), kinked=True),
        Variant(local(3, [2, 4], activation="softplus"), (2, 4, 3), 24 * 3 + 3),  # one output: a dense layer
    ],
    broken={
        "filters": (0, -1, 2.5, None),
        "kernel_size": (0, [3, 0], [3], [3, 3, 3], 2.5, "3", None),
        "stride": (0, [1, -1], 1.5, None),
        "padding": (-1, [0, -1], "full", 0.5, None),
        **WEIGHTED_BROKEN,
    },
    changes={"filters": 3, "kernel_size": [3, 2], "stride": [1, 2], "padding": 1, **WEIGHTED_CHANGES},
    dead=WEIGHTED_DEAD,
    refused_shapes=[
        ((5,), "takes 3 axes"),
        ((2, 7, 3), "window of 3 does not fit an input of 2"),
        ((6, 2, 3), "columns"),
    ],
)
