"""Images laid into larger ones, and cut out of them: x (N, H, W, C) at an offset in y (N, OH, OW, C)."""

from typing import Any

import numpy.typing as npt

from dlcli.kernels.addresses import array
from dlcli.kernels.launch import Kernel, Launch, Planned

Array = npt.NDArray[Any]

SERIAL = 40_000  # numbers moved below which waking the threads costs more than it saves


def _shifted(p, first, last, shared, scratch):
    """Tasks: rows of y, of which the numbers ``begin`` … ``end`` − 1 are inside x."""
    rows, out_rows, row, out_row, top, begin, end, skip = p[2], p[3], p[4], p[5], p[6], p[7], p[8], p[9]
    itemsize = array(p[0], 1, scratch).itemsize
    for task in range(first, last):
        n, h = task // out_rows, task % out_rows - top
        y = array(p[1] + task * out_row * itemsize, out_row, scratch)
        if h < 0 or h >= rows:
            for i in range(out_row):
                y[i] = 0
            continue
        for i in range(begin):
            y[i] = 0
        inside = array(p[1] + (task * out_row + begin) * itemsize, end - begin, scratch)
        x = array(p[0] + ((n * rows + h) * row + skip) * itemsize, end - begin, scratch)
        for i in range(inside.size):
            inside[i] = x[i]
        for i in range(end, out_row):
            y[i] = 0


_SHIFTED = Kernel(_shifted)


@Planned
def shifted(x: Array, top: int, left: int, y: Array) -> list[Launch]:
    """y[h, w] ← x[h − top, w − left], or 0 where that is outside; ``top`` and ``left`` may be negative."""
    (_, rows, columns, channels), (images, out_rows, out_columns, _) = x.shape, y.shape
    begin = min(max(left, 0), out_columns)
    end = max(begin, min(out_columns, left + columns))
    arguments = (x, y, rows, out_rows, columns * channels, out_columns * channels, top,
                 begin * channels, end * channels, (begin - left) * channels)  # fmt: skip
    return [Launch(_SHIFTED, y.dtype, images * out_rows, arguments, parallel=y.size >= SERIAL)]
