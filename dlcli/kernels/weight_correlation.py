"""The convolution's weight gradient: every kernel tap correlates the input with the output's gradient.

dw[tap, c, f] = Σ over images and positions of x[position under tap, c] · dy[position, f]: the rows of a tile are taps
and channels (a kernel row's are contiguous in x), its columns filters, its runs rows of output positions. A thread
owns tiles of dw and walks through all the positions, a band at a time; the sums of a band continue those of the
bands before, in order.
"""

import numpy as np
from numba import njit, prange

from dlcli.kernels import tile as tiles
from dlcli.kernels.correlation import copy_rows_padded
from dlcli.kernels.dense import share
from dlcli.kernels.panel import pack
from dlcli.kernels.sink import ADD, UPDATE, update_rows
from dlcli.kernels.tile import PANEL


@njit(cache=True)
def _place_band(band, x, window, sizes, offsets, scratch):
    """Set the runs of a band, for each kernel row those whose input row is inside the image.

    offsets: (kernel rows, 1 + runs, 2), the number of runs first. Returns the address that they are relative to, and
    the band's first output row and number of rows, over all images.
    """
    height, first_row, span, dilation, first_element, last_element, in_place, out_height = window
    per_image, images_per_band, step, out_width = sizes[0], sizes[1], sizes[2], sizes[4]
    first_image = band // per_image * images_per_band
    images = min(images_per_band, x.shape[0] // height - first_image)
    p0, p1 = share(band % per_image, per_image, out_height)
    row_length, rows = last_element - first_element, (p1 - p0 - 1) * step + span
    offsets[:, 0, 0] = 0
    for index in range(images):
        image, top = first_image + index, first_row + p0 * step
        start = (image * height + top) * row_length if in_place else index * rows * row_length
        if not in_place:
            copy_rows_padded(x, image, height, top, rows, first_element, last_element, scratch, start)
        for i in range(offsets.shape[0]):
            for p in range(p1 - p0):
                row = p * step + i * dilation
                if 0 <= top + row < height:
                    offsets[i, 0, 0] += 1
                    offsets[i, offsets[i, 0, 0], 0] = start + row * row_length
                    offsets[i, offsets[i, 0, 0], 1] = (index * (p1 - p0) + p) * out_width * PANEL
    address = x.ctypes.data if in_place else scratch.ctypes.data
    return address, first_image * out_height + p0, images * (p1 - p0)


@njit(cache=True)
def units(first, last, tile, x, dy, window, sizes, table, sink, none, totals, offsets, scratch):
    """Tiles first … last of the weight gradient, over all bands.

    x: (images · height, width · channels); dy: (images · out positions, filters). A row of ``table`` is a tile: its
    first column, columns, first row of dw, rows, the kernel row i, the offset of x under the tile's first row, and
    the first output column that it reads with their number. ``totals``: the sums, in the target itself unless that
    is to be updated by eq. (4).
    """
    kind, target, velocity, constants = sink
    pixel, out_width, count, padded = sizes[3], sizes[4], sizes[5], sizes[6]
    size, filters = dy.itemsize, dy.shape[1]
    for band in range(count):
        base, first_run, runs = _place_band(band, x, window, sizes, offsets, scratch[padded:])
        packed = -1
        for unit in range(first, last):
            row = table[unit]
            column, width, line, rows, i, offset, q, depth = (
                row[0], row[1], row[2], row[3], row[4], row[5], row[6], row[7]
            )  # fmt: skip
            if packed != column:
                pack(dy, first_run * out_width, column, runs * out_width, width, scratch, 0)
                packed = column
            begins = band == 0 and kind != ADD
            if offsets[i, 0, 0] == 0 or depth == 0:
                if begins:
                    for m in range(line, line + rows):
                        totals[m * filters + column : m * filters + column + width] = 0
                continue
            out = totals.ctypes.data + size * (line * filters + column)
            init, init_row = (none.ctypes.data, 0) if begins else (out, filters)
            tiles.call(
                tile, rows, width, base + size * offset, 1, pixel, offsets[i, 0, 0], depth,
                offsets.ctypes.data + i * offsets.strides[0] + 16, scratch.ctypes.data + size * q * PANEL,
                init, init_row, out, filters,
            )  # fmt: skip
    if kind == UPDATE:
        real = target.dtype.type
        for unit in range(first, last):
            column, width, line, rows = table[unit, 0], table[unit, 1], table[unit, 2], table[unit, 3]
            start = size * (line * filters + column)
            update_rows(
                rows, width, totals.ctypes.data + start, filters, target.ctypes.data + start,
                velocity.ctypes.data + start, filters, real(constants[0]), real(constants[1]), real(constants[2]),
            )  # fmt: skip


@njit(cache=True, parallel=True)
def parallel_units(workers, tile, x, dy, window, sizes, table, sink, none, totals, offsets, scratch):
    for worker in prange(workers):
        first, last = share(np.int64(worker), workers, table.shape[0])
        units(first, last, tile, x, dy, window, sizes, table, sink, none, totals, offsets[worker], scratch[worker])
