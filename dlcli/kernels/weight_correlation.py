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
def _place_band(band, images, x, window, sizes, offsets, scratch):
    """Set the offset of every output row of a band; returns the address they are relative to, the rows' number,
    and the first of them."""
    height, first_row, span, first_element, last_element, in_place, out_height = window
    per_image, images_per_band, step, out_width = sizes[0], sizes[1], sizes[2], sizes[4]
    first_image = band // per_image * images_per_band
    last_image = min(first_image + images_per_band, images)
    p0, p1 = share(band % per_image, per_image, out_height)
    row_length = last_element - first_element
    rows, run = (p1 - p0 - 1) * step + span, 0
    for image in range(first_image, last_image):
        start = (image * height + p0 * step) * row_length
        if not in_place:
            start = (image - first_image) * rows * row_length
            copy_rows_padded(
                x, image, height, first_row + p0 * step, rows, first_element, last_element, scratch, start
            )
        for p in range(p1 - p0):
            offsets[run, 0] = start + p * step * row_length
            offsets[run, 1] = run * out_width * PANEL
            run += 1
    address = x.ctypes.data if in_place else scratch.ctypes.data
    return address, run, first_image * out_height + p0


@njit(cache=True)
def units(first, last, tile, x, dy, window, sizes, table, sink, none, totals, offsets, scratch):
    """Tiles first … last of the weight gradient, over all bands.

    x: (images · height, width · channels); dy: (images · out positions, filters). A row of ``table`` is a tile: its
    first column, columns, its first row of dw, rows, and the offset of x under its first row. ``totals``: the sums, in
    the target itself unless that is to be updated by eq. (4).
    """
    kind, target, velocity, constants = sink
    pixel, out_width, count, packed_size = sizes[3], sizes[4], sizes[5], sizes[6]
    size, filters = dy.itemsize, dy.shape[1]
    images = x.shape[0] // window[0]
    padded = packed_size  # where the padded input begins in the scratch
    for band in range(count):
        base, runs, first_run = _place_band(band, images, x, window, sizes, offsets, scratch[padded:])
        packed = -1
        for unit in range(first, last):
            column, width, row, rows, offset = table[unit]
            if packed != column:
                pack(dy, first_run * out_width, column, runs * out_width, width, scratch, 0)
                packed = column
            out = totals.ctypes.data + size * (row * filters + column)
            init, init_row = out, filters
            if band == 0 and kind != ADD:
                init, init_row = none.ctypes.data, 0
            tiles.call(
                tile, rows, width, base + size * offset, 1, pixel, runs, out_width, offsets.ctypes.data,
                scratch.ctypes.data, init, init_row, out, filters,
            )  # fmt: skip
    if kind == UPDATE:
        real = target.dtype.type
        for unit in range(first, last):
            column, width, row, rows, _ = table[unit]
            start = size * (row * filters + column)
            update_rows(
                rows, width, totals.ctypes.data + start, filters, target.ctypes.data + start,
                velocity.ctypes.data + start, filters, real(constants[0]), real(constants[1]), real(constants[2]),
            )  # fmt: skip


@njit(cache=True, parallel=True)
def parallel_units(workers, tile, x, dy, window, sizes, table, sink, none, totals, offsets, scratch):
    for worker in prange(workers):
        first, last = share(np.int64(worker), workers, table.shape[0])
        units(
            first, last, tile, x, dy, window, sizes, table, sink, none, totals, offsets[worker], scratch[worker]
        )
