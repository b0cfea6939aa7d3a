"""Cases of `conv_transpose2d`."""

import math

import numpy as np

from tests.layers.case import (
    MIRRORS_BROKEN,
    MIRRORS_DEAD,
    WEIGHTED_BROKEN,
    WEIGHTED_CHANGES,
    WEIGHTED_DEAD,
    Case,
    Variant,
    With,
)
from tests.layers.naive import activate, sides


def extent(size, kernel, stride, padding, extra):
    """(output size, cells cut off before it)."""
    if padding == "same":
        out = size * stride
        return out, max((size - 1) * stride + kernel - out, 0) // 2
    before = 0 if padding == "valid" else padding
    return (size - 1) * stride + kernel - 2 * before + extra, before


def naive(x, parameters, options, draw):
    """Every input is scattered over the outputs below its kernel."""
    weights, bias = parameters["weights"], parameters.get("bias")
    kernel, stride = options["kernel_size"], options["stride"]
    (rows, top), (columns, left) = (
        extent(x.shape[1 + a], kernel[a], stride[a], sides(options["padding"])[a], options["output_padding"][a])
        for a in (0, 1)
    )
    y = np.zeros((len(x), rows, columns, options["filters"]))
    for n, h, w, c in np.ndindex(x.shape):
        for i, j in np.ndindex(*kernel):
            p, q = h * stride[0] + i - top, w * stride[1] + j - left
            if 0 <= p < rows and 0 <= q < columns:
                for f in range(options["filters"]):
                    y[n, p, q, f] += x[n, h, w, c] * weights[i, j, f, c]
    return activate(options["activation"], y + (bias if options["bias"] else 0.0))


def transposed(filters, kernel_size, **options):
    return {"type": "conv_transpose2d", "filters": filters, "kernel_size": kernel_size, **options}


def count(x, kernel, filters):
    """Multiplications with addition: each value of the input with each weight that leaves its channel."""
    return math.prod(x) * math.prod(kernel) * filters


def variant(options, shape, parameters, **others):
    kernel = options["kernel_size"]
    kernel = kernel if isinstance(kernel, list) else [kernel, kernel]
    return Variant(options, shape, parameters, multiply_adds=count(shape, kernel, options["filters"]), **others)


CASE = Case(
    type="conv_transpose2d",
    naive=naive,
    variants=[
        variant(transposed(2, 3), (4, 5, 3), 3 * 3 * 2 * 3 + 2),
        variant(transposed(3, 4, stride=2, padding=1, activation="tanh"), (3, 4, 2), 4 * 4 * 3 * 2 + 3),
        variant(transposed(2, [3, 2], stride=[2, 1], padding="same"), (3, 4, 2), 26),
        variant(transposed(1, 3, stride=2, padding=1, output_padding=1), (3, 4, 2), 19),
        variant(transposed(20, 2, stride=3, output_padding=[2, 0], activation="sigmoid"), (3, 2, 1), 100),  # gaps
        variant(transposed(2, 2, stride=[3, 1], padding="same", bias=False), (2, 3, 3), 24),  # gaps at the end
        variant(transposed(5, 1, activation="softplus"), (3, 4, 6), 35),
        variant(transposed(3, [4, 1], padding=[2, 0], activation="relu"), (5, 3, 2), 27, kinked=True),
        variant(transposed(2, [3, 5], bias=False), (1, 1, 4), 120),  # one input: the kernel itself
    ],
    broken={
        "filters": (0, -1, 2.5, None),
        "kernel_size": (0, [3, 0], [3], [3, 3, 3], 2.5, "3", None),
        "stride": (0, [1, -1], 1.5, None),
        "padding": (-1, [0, -1], "full", 0.5, None),
        "output_padding": (-1, [0, -1], [0], 0.5, "same", None),
        "mirrors": MIRRORS_BROKEN,
        "tied_to": ("", 3, ["conv"]),
        **WEIGHTED_BROKEN,
    },
    changes={
        "filters": 4,
        "kernel_size": [3, 2],
        "stride": [1, 2],
        "padding": 1,
        "output_padding": With([0, 1], stride=2),
        "mirrors": "another",
        "tied_to": "another",
        **WEIGHTED_CHANGES,
    },
    dead={
        "mirrors": MIRRORS_DEAD,
        "tied_to": "the network looks the weights up: tests/layers/test_mirrors.py",
        **WEIGHTED_DEAD,
    },
    refused_shapes=[
        ((5,), "takes 3 axes"),
        ((6, 7), "takes 3 axes"),
    ],
)
