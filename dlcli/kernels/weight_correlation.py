"""The convolution's weight gradient: every kernel tap correlates the input with the output's gradient.

dw[tap, c, f] = Σ over images and positions of x[position under tap, c] · dy[position, f]: the rows of a tile are taps
and channels (a kernel row's are contiguous in x), its columns filters, its runs rows of output positions. A thread
owns tiles of dw and walks through all the positions, a band at a time; the sums of a band continue those of the
bands before, in order. Where weights are few, so are tiles: threads would have unequal shares of them, and each would
pack all of dy. Then the bands are cut into `SHARES`, whatever the machine and its threads, and their sums are added in
order in the end.
"""

import numpy as np

from dlcli.kernels import tile as tiles
from dlcli.kernels.addresses import array, matrix, place, typed_array
from dlcli.kernels.correlation import copy_rows_padded
from dlcli.kernels.dense import share
from dlcli.kernels.launch import Kernel, piece
from dlcli.kernels.panel import pack
from dlcli.kernels.sink import ADD, UPDATE, apply_rows, settle
from dlcli.kernels.tile import PANEL

UNIT = 8  # numbers of a tile in the table
FEW, BANDS, SHARES = 4096, 8, 4  # at most so many weights, and at least so many bands, are cut into so many shares


@piece()
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


def _units(p, first, last, shared, scratch):
    """Tiles ``first`` … ``last`` of the weight gradient, over all bands; for `p` see `conv2d.weight_gradient`.

    A row of the table is a tile: its first column, columns, first row of dw, rows, the kernel row i, the offset of x
    under the tile's first row, and the first output column that it reads with their number. A task is a tile over a
    share of the bands. The sums are in the target itself, but in ``shared`` where that is to be updated by eq. (4), or
    where there are several shares.
    """
    tile, dy_start, filters, table = p[0], p[4], p[6], typed_array(p[7], p[32] * UNIT, np.int64)
    x, dy = matrix(p[1], p[2], p[3], scratch), matrix(dy_start, p[5], filters, scratch)
    kernel_rows, most_runs = p[8], p[9]
    kind, target, velocity, constants, none, size = p[10], p[11], p[12], array(p[13], 3, scratch), p[14], p[15]
    window = (p[16], p[17], p[18], p[19], p[20], p[21], p[22], p[23])
    sizes = (p[24], p[25], p[26], p[27], p[28], p[29], p[30])
    pixel, out_width, count, padded = sizes[3], sizes[4], sizes[5], sizes[6]
    units, shares, whole = p[32], p[33], p[34]
    offsets = typed_array(place(scratch), 2 * kernel_rows * most_runs, np.int64).reshape(kernel_rows, most_runs, 2)
    own = place(scratch) + offsets.nbytes
    packed, padded_rows = array(own, padded, scratch), array(own + size * padded, p[31] - padded, scratch)
    while first < last:
        part, end = first // units, min(last, (first // units + 1) * units)
        u0, u1 = first - part * units, end - part * units
        first = end
        totals = shared + size * part * whole if kind >= UPDATE or shares > 1 else target
        b0, b1 = share(part, shares, count)
        for band in range(b0, b1):
            base, first_run, runs = _place_band(band, x, window, sizes, offsets, padded_rows)
            column_packed = -1
            for unit in range(u0 * UNIT, u1 * UNIT, UNIT):
                column, width, line, rows, i, offset, q, depth = (
                    table[unit], table[unit + 1], table[unit + 2], table[unit + 3], table[unit + 4], table[unit + 5],
                    table[unit + 6], table[unit + 7],
                )  # fmt: skip
                if column_packed != column:
                    pack(dy, first_run * out_width, column, runs * out_width, width, packed, 0)
                    column_packed = column
                begins = band == b0 and (kind != ADD or shares > 1)
                out = totals + size * (line * filters + column)
                if offsets[i, 0, 0] == 0 or depth == 0:
                    if begins:
                        for m in range(rows):
                            row = array(out + size * m * filters, width, scratch)
                            for n in range(width):
                                row[n] = 0
                    continue
                init, init_row = (none, 0) if begins else (out, filters)
                tiles.call(
                    tile, rows, width, base + size * offset, 1, pixel, offsets[i, 0, 0], depth,
                    place(scratch) + i * offsets.strides[0] + 16, own + size * q * PANEL,
                    init, init_row, out, filters,
                )  # fmt: skip
        if kind >= UPDATE and shares == 1:
            for unit in range(u0 * UNIT, u1 * UNIT, UNIT):
                column, width, line, rows = table[unit], table[unit + 1], table[unit + 2], table[unit + 3]
                start = size * (line * filters + column)
                apply_rows(
                    kind, rows, width, totals + start, filters, target + start, velocity + start, filters, constants,
                )  # fmt: skip


def _gather(p, first, last, shared, scratch):
    """Tasks: rows of dw, of p[1] numbers. The sums of the shares in ``shared``, p[2] numbers each, to the sink."""
    size, filters, whole, shares, kind = p[0], p[1], p[2], p[3], p[4]
    constants = array(p[7], 3, scratch)
    for line in range(first, last):
        start = size * line * filters
        total = array(shared + start, filters, scratch)
        for part in range(1, shares):
            other = array(shared + start + size * part * whole, filters, scratch)
            for f in range(filters):
                total[f] += other[f]
        settle(kind, total, array(p[5] + start, filters, scratch), array(p[6] + start, filters, scratch), constants)


UNITS = Kernel(_units)
GATHER = Kernel(_gather)
