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
from numba import njit, prange

from dlcli.kernels import tile as tiles
from dlcli.kernels.activation import LINEAR, activate_row
from dlcli.kernels.dense import share
from dlcli.kernels.panel import pack, pack_transposed
from dlcli.kernels.tile import PANEL, ROWS

CHUNK = 1024  # steps of k whose panel of weights stays in the second-level cache
NEAR = 4096  # elements of weights that stay in the first-level cache


@njit(cache=True)
def pack_weights(weights, transposed, depth, width, groups, phases, taps, packed):
    """Every phase's, group's and panel's weights, in the order of the sum: ``depth`` steps for each tap.

    weights: (taps · channels / groups, filters). ``depth`` and ``width`` are a group's inputs and outputs; transposed,
    the weights' columns are the inputs.
    """
    rows = width if transposed else depth
    for phase in range(phases.shape[0]):
        first_tap, count, first = phases[phase, 6], phases[phase, 7], phases[phase, 8]
        for group in range(groups):
            for n in range(0, width, PANEL):
                columns = min(PANEL, width - n)
                for tap in range(first_tap, first_tap + count):
                    row = taps[tap] * rows
                    if transposed:
                        pack_transposed(weights, row + n, group * depth, depth, columns, packed, first)
                    else:
                        pack(weights, row, group * width + n, depth, columns, packed, first)
                    first += depth * PANEL


@njit(cache=True)
def copy_rows_padded(x, image, height, first_row, rows, first, last, out, start):
    """out[start:] ← ``rows`` rows of an image from ``first_row``, elements first … last of each; zero outside."""
    length = last - first
    inside_first, inside_last = max(first, 0), min(last, x.shape[1])
    for row in range(rows):
        place, h = start + row * length, first_row + row
        if h < 0 or h >= height:
            out[place : place + length] = 0
            continue
        left, right = inside_first - first, inside_last - first
        out[place : place + left] = 0
        out[place + left : place + right] = x[image * height + h, inside_first:inside_last]
        out[place + right : place + length] = 0


@njit(cache=True)
def _fill(line, first, step, count, values):
    """``count`` stretches of a line ← ``values``: what a sum without a term is."""
    for q in range(count):
        start = first + q * step
        line[start : start + values.size] = values


@njit(cache=True)
def _inside(rows, row, height, first, count):
    """The runs that read a row inside the image: the others, in the padding, add nothing."""
    last = first + count
    while first < last and rows[first] + row < 0:
        first += 1
    while first < last and rows[last - 1] + row >= height:
        last -= 1
    return first, last


@njit(cache=True)
def _phase(tile, image, height, first, last, base, phase, sizes, runs, run_rows, packed, bias, y):
    """One phase's rows first … last of an image; ``base``: the address of the input under the phase's first row."""
    (channels, filters, groups, out_height, in_step_h, in_step_w, out_step_h, out_step_w, row_length,
     out_channels) = sizes  # fmt: skip
    h0, w0, rows, width, count, first_run, _, _, first_packed, depth, continued = phase
    size = y.itemsize
    limit = ROWS if size == 4 else ROWS // 2
    strips = (width + limit - 1) // limit
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
                    for strip in range(strips):
                        q0, q1 = share(strip, strips, width)
                        for n in range(n0, n1, PANEL):
                            b = first_packed + (group * panels + n // PANEL) * panel_size
                            out = start + size * (q0 * out_row + n - n0)
                            init, init_row = (
                                (bias.ctypes.data + size * (group * filters + n), 0) if begins else (out, out_row)
                            )
                            tiles.call(
                                tile, q1 - q0, min(PANEL, filters - n), left + size * q0 * a_row, a_row, 1,
                                r1 - r0, depth, runs.ctypes.data + 16 * r0, packed.ctypes.data + size * b,
                                init, init_row, out, out_row,
                            )  # fmt: skip


@njit(cache=True)
def bands(first, last, per_image, tile, x, window, sizes, phases, runs, run_rows, packed, bias, function, y, scratch):
    """Bands first … last of the output, ``per_image`` to an image.

    x: (images · height, width · channels); y: (images · out height, out width · out channels).
    ``window`` = (image height, first input row of the first output row, rows that an output row spans, first and last
    element of a row, whether the input is read in place, rows of the largest phase).
    """
    height, first_row, span, first_element, last_element, in_place, rows = window
    step, out_height, row_length = sizes[4], sizes[3], sizes[8]
    for band in range(first, last):
        image = band // per_image
        r0, r1 = share(band % per_image, per_image, rows)
        if in_place:
            base = x.ctypes.data + x.itemsize * (image * height + r0 * step) * row_length
        else:
            count = (r1 - r0 - 1) * step + span
            copy_rows_padded(x, image, height, first_row + r0 * step, count, first_element, last_element, scratch, 0)
            base = scratch.ctypes.data
        for index in range(phases.shape[0]):
            row = phases[index]
            phase = (
                row[0], row[1], row[2], row[3], row[4], row[5], row[6], row[7], row[8], row[9], row[10]
            )  # fmt: skip
            if phase[4] > 0:
                _phase(tile, image, height, r0, r1, base, phase, sizes, runs, run_rows, packed, bias, y)
            else:  # no tap, or their parts are still to come
                for line in range(r0, min(r1, phase[2])):
                    out = y[image * out_height + phase[0] + line * sizes[6]]
                    _fill(out, phase[1] * sizes[9], sizes[7] * sizes[9], phase[3], bias[: sizes[9]])
        if function != LINEAR:
            for row in range(image * out_height + r0, image * out_height + r1):
                activate_row(function, y[row])


@njit(cache=True, parallel=True)
def parallel_bands(
    workers, count, per_image, tile, x, window, sizes, phases, runs, run_rows, packed, bias, function, y, scratch
):
    for worker in prange(workers):
        first, last = share(np.int64(worker), workers, count)
        bands(
            first,
            last,
            per_image,
            tile,
            x,
            window,
            sizes,
            phases,
            runs,
            run_rows,
            packed,
            bias,
            function,
            y,
            scratch[worker],
        )
