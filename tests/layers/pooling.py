"""What the cases of the pooling layers share."""

import numpy as np

from tests.layers.case import With
from tests.layers.naive import sides, windows


def each_window(x, options, summary):
    """y from ``summary(cells of the image in the window, cells of the padded image in it)``, one by one."""
    size, stride = options["size"], options["stride"] or options["size"]
    up = options["rounding"] == "up"
    axes = [windows(x.shape[1 + a], size[a], stride[a], sides(options["padding"])[a], up=up) for a in (0, 1)]
    y = np.zeros((len(x), axes[0][0], axes[1][0], x.shape[3]))
    for n, p, q, c in np.ndindex(y.shape):
        cells, counted = [], 0
        for i, j in np.ndindex(*size):
            h, w = p * stride[0] - axes[0][1] + i, q * stride[1] - axes[1][1] + j
            if h < x.shape[1] + axes[0][2] and w < x.shape[2] + axes[1][2]:
                counted += 1
                if 0 <= h < x.shape[1] and 0 <= w < x.shape[2]:
                    cells.append(x[n, h, w, c])
        y[n, p, q, c] = summary(cells, counted)
    return y


POOL_BROKEN = {
    "size": (0, [2, 0], [2], 1.5, "2", None),
    "stride": (0, [1, -1], 1.5),
    "padding": (-1, [0, -1], "full", 0.5, None),
    "rounding": ("nearest", 1, None),
}
POOL_CHANGES = {
    "size": [3, 2],
    "stride": [2, 1],
    "padding": "same",
    "rounding": With("up", stride=2, size=2),
}
POOL_REFUSED = [
    ((5,), "takes 3 axes"),
    ((6, 6), "takes 3 axes"),
    ((1, 6, 2), "does not fit an input of 1"),
]
