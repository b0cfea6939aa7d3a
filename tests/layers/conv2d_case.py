"""Cases of `conv2d`."""

import numpy as np

from tests.layers.case import WEIGHTED_BROKEN, WEIGHTED_CHANGES, WEIGHTED_DEAD, Case, Variant, With
from tests.layers.naive import activate, sides, windows


def connected(options):
    """(filter, channel) of each connection in the table, filter by filter."""
    lists, filters = options["connections"], options["filters"]
    return [(f, c) for f in range(filters) for c in lists[f * len(lists) // filters]]


def naive(x, parameters, options, draw):
    """Pad with zeros, then one output at a time; channels that a filter doesn't see have weights of zero."""
    weights, bias = parameters["weights"], parameters.get("bias")
    kernel, stride, dilation = options["kernel_size"], options["stride"], options["dilation"]
    if options["connections"]:
        given, weights = weights, np.zeros((*kernel, x.shape[3], options["filters"]))
        for place, (f, c) in enumerate(connected(options)):
            weights[:, :, c, f] = given[:, :, place]
    axes = [windows(x.shape[1 + a], kernel[a], stride[a], sides(options["padding"])[a], dilation[a]) for a in (0, 1)]
    (rows, top, bottom), (columns, left, right) = axes
    padded = np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)))
    channels, filters = weights.shape[2], weights.shape[3] // options["groups"]
    y = np.zeros((len(x), rows, columns, weights.shape[3]))
    for n, p, q, f in np.ndindex(y.shape):
        first = f // filters * channels  # the first channel that filter f sees
        total = 0.0
        if options["bias"]:
            total = bias[p, q, f] if options["unshared_bias"] else bias[f]
        for i, j, c in np.ndindex(kernel[0], kernel[1], channels):
            h, w = p * stride[0] + i * dilation[0], q * stride[1] + j * dilation[1]
            total += padded[n, h, w, first + c] * weights[i, j, c, f]
        y[n, p, q, f] = total
    return activate(options["activation"], y)


def conv2d(filters, kernel_size, **options):
    return {"type": "conv2d", "filters": filters, "kernel_size": kernel_size, **options}


CASE = Case(
    type="conv2d",
    naive=naive,
    variants=[
        Variant(conv2d(2, 3), (6, 7, 3), 3 * 3 * 3 * 2 + 2),
        Variant(conv2d(3, [2, 3], stride=[2, 1], padding="same"), (5, 4, 2), 2 * 3 * 2 * 3 + 3),
        Variant(conv2d(20, 3, padding=1, stride=2, bias=False), (5, 6, 1), 180),
        Variant(conv2d(4, [3, 2], padding=[2, 1], activation="tanh"), (4, 5, 3), 3 * 2 * 3 * 4 + 4),
        Variant(conv2d(3, [2, 3], dilation=[2, 1], padding=[1, 2], activation="softplus"), (6, 5, 2), 39),
        Variant(conv2d(2, 3, dilation=2, padding="same"), (5, 6, 1), 20),
        Variant(conv2d(6, 2, groups=2, activation="sigmoid"), (4, 3, 4), 2 * 2 * 2 * 6 + 6),
        Variant(conv2d(3, 1, groups=3, stride=2, padding="same"), (4, 5, 3), 6),
        Variant(conv2d(5, 1, activation="scaled_tanh"), (3, 4, 6), 35),
        Variant(conv2d(3, [4, 1], activation="relu"), (5, 3, 2), 27, kinked=True),
        Variant(conv2d(2, [3, 5]), (3, 5, 2), 62),  # one output: the window is the image
        # Tables of connections: a list for each filter, unequal and unordered; then a list for each group of two.
        Variant(
            conv2d(3, 2, connections=[[2, 0], [1], [0, 1, 2, 3]], padding=1), (4, 3, 4), 31, multiply_adds=5 * 4 * 28
        ),
        Variant(conv2d(4, [2, 3], connections=[[0, 2], [1, 2]], stride=2, bias=False), (5, 6, 3), 2 * 3 * 8),
        Variant(conv2d(5, 3, unshared_bias=True, stride=2, padding=1), (5, 4, 2), 3 * 3 * 2 * 5 + 3 * 2 * 5),
        Variant(  # H2 of LeCun's net of 1989, smaller
            conv2d(3, 3, connections=[[0, 1], [1, 2], [0, 2]], unshared_bias=True, activation="scaled_tanh"),
            (4, 5, 3),
            3 * 3 * 6 + 2 * 3 * 3,
        ),
    ],
    broken={
        "filters": (0, -1, 2.5, None),
        "kernel_size": (0, [3, 0], [3], [3, 3, 3], 2.5, "3", None),
        "stride": (0, [1, -1], 1.5, None),
        "padding": (-1, [0, -1], "full", 0.5, None),
        "dilation": (0, [1, 0], None),
        "groups": (0, -2, 1.5, None),
        "connections": (
            [],
            [[], [0]],
            [[0], [1], [2]],
            [[0, 2, 0], [1]],
            [[-1], [0]],
            [[0.5], [1]],
            [0, 1],
            "all",
            3,
        ),
        "unshared_bias": (1, "yes", None),
        **WEIGHTED_BROKEN,
    },
    changes={
        "filters": 4,
        "kernel_size": [3, 2],
        "stride": [1, 2],
        "padding": 1,
        "dilation": [2, 1],
        "groups": With(3, filters=3),
        "connections": [[0, 1], [1, 2]],
        "unshared_bias": True,
        **WEIGHTED_CHANGES,
    },
    dead=WEIGHTED_DEAD,
    refused_shapes=[
        ((5,), "takes 3 axes"),
        ((6, 7), "takes 3 axes"),
        ((2, 7, 3), "window of 3 does not fit an input of 2"),
        ((6, 2, 3), "columns"),
    ],
)
