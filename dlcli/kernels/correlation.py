"""Convolution as a sum over runs: the kernel behind `conv2d`'s forward pass and its input's gradient.

An output point reads, at each of its kernel's taps, one stretch of input channels; taps that are neighbours in a row
make one contiguous run. Neither im2col nor a batch-sized copy is needed: a thread takes a band of output rows, copies
the input rows below it with their padding into its own cache (or reads them in place where nothing is padded), and the
tile walks along the runs by a table of offsets.

The plan (`dlcli.kernels.conv2d`) is whole numbers only: ``sizes``; ``phases``, each a set of output points that share
their taps; ``runs``, the tile's offsets, with ``run_rows``, the input row that each reads; ``taps``, the kernel places
in the order of the sum. Rows of padding are never multiplied. In narrow images columns of padding are not either: a
phase is then cut into parts, one for each kernel column, that continue each other's sums over the points it reaches.
"""

import numpy as np

from dlcli.kernels import tile as tiles
from dlcli.kernels.activation import LINEAR, activate_rows
from dlcli.kernels.addresses import array, matrix, place, typed_array
from dlcli.kernels.dense import share
from dlcli.kernels.launch import Kernel, piece
from dlcli.kernels.panel import pack, pack_transposed
from dlcli.kernels.tile import PANEL
from dlcli.kernels.vectors import MACHINE

CHUNK = 1024  # steps of k whose panel of weights stays in the second-level cache
PHASE = 11  # numbers of a phase
NEAR = 4096  # elements of weights that stay in the first-level cache


def _pack_weights(p, first, last, shared, scratch):
    """Tasks: the panels, of each phase and group. A panel: for each tap, ``depth`` steps, in the order of the sum."""
    start, rows, columns, transposed, depth, width, groups = p[0], p[1], p[2], p[3], p[4], p[5], p[6]
    weights = matrix(start, rows, columns, scratch)
    phases, taps = typed_array(p[7], p[8] * PHASE, np.int64), typed_array(p[9], p[10], np.int64)
    packed = array(shared, p[11], scratch)
    panels = (width + PANEL - 1) // PANEL
    tap_rows = width if transposed else depth
    for task in range(first, last):
        phase, group, n = task // (groups * panels) * PHASE, task // panels % groups, task % panels * PANEL
        first_tap, count = phases[phase + 6], phases[phase + 7]
        out = phases[phase + 8] + task % (groups * panels) * count * depth * PANEL
        columns_here = min(PANEL, width - n)
        for tap in range(first_tap, first_tap + count):
            row = taps[tap] * tap_rows
            if transposed:
                pack_transposed(weights, row + n, group * depth, depth, columns_here, packed, out)
            else:
                pack(weights, row, group * width + n, depth, columns_here, packed, out)
            out += depth * PANEL


PACK_WEIGHTS = Kernel(_pack_weights)


@piece()
def copy_rows_padded(x, image, height, first_row, rows, first, last, out, start):
    """out[start:] ← ``rows`` rows of an image from ``first_row``, elements first … last of each; zero outside."""
    length = last - first
    left, right = max(first, 0) - first, min(last, x.shape[1]) - first
    for row in range(rows):
        place, h = start + row * length, first_row + row
        inside = 0 <= h < height
        for i in range(place, place + (left if inside else length)):
            out[i] = 0
        if inside:
            source = x[image * height + h]
            for i in range(left, right):  # not a slice: Numba compiles seconds of error messages into those
                out[place + i] = source[first + i]
            for i in range(place + right, place + length):
                out[i] = 0


@piece()
def _fill(line, first, step, count, values):
    """``count`` stretches of a line ← ``values``: what a sum without a term is."""
    for q in range(count):
        for i in range(values.size):
            line[first + q * step + i] = values[i]


@piece()
def _inside(rows, row, height, first, count):
    """The runs that read a row inside the image: the others, in the padding, add nothing."""
    last = first + count
    while first < last and rows[first] + row < 0:
        first += 1
    while first < last and rows[last - 1] + row >= height:
        last -= 1
    return first, last


@piece()
def _phase(tile, image, height, first, last, base, phase, sizes, runs, run_rows, packed, bias, y, limit):
    """One phase's rows first … last of an image; ``base``: the address of the input under the phase's first row."""
    (channels, filters, groups, out_height, in_step_h, in_step_w, out_step_h, out_step_w, row_length,
     out_channels) = sizes  # fmt: skip
    h0, w0, rows, width, count, first_run, _, _, first_packed, depth, continued = phase
    size = y.itemsize
    lanes = MACHINE.size // size
    in_chunk = min(count, max(1, CHUNK // depth))
    panels = (filters + PANEL - 1) // PANEL
    panel_size = count * depth * PANEL
    together = max(1, NEAR // (in_chunk * depth * PANEL)) * PANEL  # columns whose weights stay near while a row passes
    out_row, a_row = out_step_w * out_channels, in_step_w * channels * groups
    for group in range(groups):
        for chunk in range(0, count, in_chunk):
            begins = chunk == 0 and not continued
            for n0 in range(0, filters, together):
                n1 = min(n0 + together, filters)
                first_column = group * filters + n0
                for row in range(first, min(last, rows)):
                    r0, r1 = _inside(run_rows, row * in_step_h, height, first_run + chunk, min(in_chunk, count - chunk))
                    line, place = image * out_height + h0 + row * out_step_h, w0 * out_channels + first_column
                    if r0 == r1:
                        if begins:
                            _fill(y[line], place, out_row, width, bias[first_column : first_column + n1 - n0])
                        continue
                    left = base + size * ((row - first) * in_step_h * row_length + group * channels)
                    start = y.ctypes.data + size * (line * y.shape[1] + place)
                    for n in range(n0, n1, PANEL):
                        b = first_packed + (group * panels + n // PANEL) * panel_size
                        most = 2 * limit if filters - n <= lanes else limit  # see `tile.row_limit`
                        strips = (width + most - 1) // most
                        for strip in range(strips):
                            q0, q1 = share(strip, strips, width)
                            out = start + size * (q0 * out_row + n - n0)
                            init, init_row = (
                                (bias.ctypes.data + size * (group * filters + n), 0) if begins else (out, out_row)
                            )
                            tiles.call(
                                tile, q1 - q0, min(PANEL, filters - n), left + size * q0 * a_row, a_row, 1, r1 - r0,
                                depth, runs + 16 * r0, packed + size * b, init, init_row, out, out_row,
                            )  # fmt: skip


def _bands(p, first, last, shared, scratch):
    """Bands ``first`` … ``last`` of the output, ``per_image`` to an image; for `p` see `conv2d._correlate`."""
    per_image, tile, activation, function, limit = p[0], p[1], p[2], p[3], p[4]
    x_rows, x_row, y_rows, y_row, filters = p[6], p[7], p[9], p[10], p[12]
    x, y = matrix(p[5], x_rows, x_row, scratch), matrix(p[8], y_rows, y_row, scratch)  # y: see `Rows`
    bias = array(p[11], filters, scratch)
    phases_count, runs = p[14], p[15]
    phases, run_rows = typed_array(p[13], phases_count * PHASE, np.int64), typed_array(p[16], p[17], np.int64)
    height, first_row, span, first_element, last_element, in_place, rows = (
        p[18], p[19], p[20], p[21], p[22], p[23], p[24]
    )  # fmt: skip
    sizes = (p[25], p[26], p[27], p[28], p[29], p[30], p[31], p[32], p[33], p[34])
    step, out_height, row_length = sizes[4], sizes[3], sizes[8]
    padded = array(place(scratch), p[35], scratch)
    for band in range(first, last):
        image = band // per_image
        r0, r1 = share(band % per_image, per_image, rows)
        if in_place:
            base = x.ctypes.data + x.itemsize * (image * height + r0 * step) * row_length
        else:
            count = (r1 - r0 - 1) * step + span
            copy_rows_padded(x, image, height, first_row + r0 * step, count, first_element, last_element, padded, 0)
            base = place(scratch)
        for index in range(0, phases_count * PHASE, PHASE):
            phase = (
                phases[index], phases[index + 1], phases[index + 2], phases[index + 3], phases[index + 4],
                phases[index + 5], phases[index + 6], phases[index + 7], phases[index + 8], phases[index + 9],
                phases[index + 10],
            )  # fmt: skip
            if phase[4] > 0:
                _phase(tile, image, height, r0, r1, base, phase, sizes, runs, run_rows, shared, bias, y, limit)
            else:  # no tap, or their parts are still to come
                for line in range(r0, min(r1, phase[2])):
                    out = y[image * out_height + phase[0] + line * sizes[6]]
                    _fill(out, phase[1] * sizes[9], sizes[7] * sizes[9], phase[3], bias)
        if function != LINEAR:
            last_row = min(r1 * sizes[6], out_height)
            for row in range(image * out_height + r0 * sizes[6], image * out_height + last_row):
                activate_rows(
                    activation, function, y[row].ctypes.data, y_row // sizes[9], filters, sizes[9], y.itemsize
                )


BANDS = Kernel(_bands)
