"""Local products with unshared weights: every output position has a kernel of its own, channels last.

Shapes: x (N, H, W, C), weights (OH, OW, KH, KW, C, F), bias (OH, OW, F), y (N, OH, OW, F), all contiguous; ``geometry``
= (stride and padding, each of rows and columns). A position is a small dense product whose rows are the images: the
tile reads x in place, an image's size from row to row, and the kernel's rows are its runs. Cells of the padding are
left out of the sums. Each weight is read once in a pass, and packed for all the images.

The forward pass and the weights' gradient are dealt out by output position, the input's gradient by input pixel, which
gathers from the positions that read it, in order: every element is one sum in a fixed order, owned by one thread.
"""

from math import prod
from typing import Any

import numpy as np
from numba import njit

from dlcli.kernels import dense
from dlcli.kernels import tile as tiles
from dlcli.kernels.activation import LINEAR, activate
from dlcli.kernels.addresses import array, matrix, place, typed_array
from dlcli.kernels.constants import zeros
from dlcli.kernels.dense import ORIGIN, share
from dlcli.kernels.launch import ALIGNMENT, Argument, Kernel, Launch, Planned
from dlcli.kernels.panel import pack, pack_transposed
from dlcli.kernels.sink import ADD, UPDATE, apply_rows
from dlcli.kernels.tile import PANEL
from dlcli.kernels.vectors import lanes_of

Array = np.ndarray[Any, Any]
Geometry = tuple[int, ...]

CHUNK = 1024  # steps of k whose panel of weights stays in the second-level cache


@njit
def _over_images(tile, most, size, images, width, a, a_row, runs, depth, offsets, packed, init, init_row, out, out_row):
    """The tile for all images, in nearly equal strips of at most ``most``."""
    strips = (images + most - 1) // most
    for strip in range(strips):
        n0, n1 = share(strip, strips, images)
        tiles.call(
            tile, n1 - n0, width, a + size * n0 * a_row, a_row, 1, runs, depth, offsets, packed,
            init + size * n0 * init_row, init_row, out + size * n0 * out_row, out_row,
        )  # fmt: skip


@njit
def _clear(start, rows, row, width, size, like):
    """Zeros, in ``rows`` stretches of ``width`` that are ``row`` elements apart."""
    for m in range(rows):
        line = array(start + size * m * row, width, like)
        for n in range(width):
            line[n] = 0


def _outputs(p, first, last, shared, scratch):
    """Output positions ``first`` … ``last``; for `p` see `_sizes` and `forward`."""
    images, height, width, channels, positions, out_width, filters = p[0], p[1], p[2], p[3], p[4], p[5], p[6]
    kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w = p[7], p[8], p[9], p[10], p[11], p[12]
    tile, size, limit, limit_narrow, lanes, offset_bytes = p[13], p[14], p[15], p[16], p[17], p[18]
    x, y, bias, activation, function = p[19], p[21], p[22], p[23], p[24]
    x_row, y_row, cells = height * width * channels, positions * filters, kernel_h * kernel_w * channels
    weights = matrix(p[20], positions * cells, filters, scratch)
    offsets = typed_array(place(scratch), 2 * kernel_h, np.int64)
    panel = place(scratch) + offset_bytes
    packed = array(panel, cells * PANEL, scratch)
    while first < last:
        begin, end = first, min(last, (first // out_width + 1) * out_width)  # of a row of positions
        first = end
        for position in range(begin, end):
            top, left = position // out_width * stride_h - pad_h, position % out_width * stride_w - pad_w
            i0, i1 = max(0, -top), min(kernel_h, height - top)
            j0, depth = max(0, -left), (min(kernel_w, width - left) - max(0, -left)) * channels
            together = max(1, CHUNK // depth)
            for n in range(0, filters, PANEL):
                columns = min(PANEL, filters - n)
                out = y + size * (position * filters + n)
                for chunk in range(i0, i1, together):
                    chunk_end = min(i1, chunk + together)
                    for i in range(chunk, chunk_end):
                        row, run = position * cells + (i * kernel_w + j0) * channels, i - chunk
                        pack(weights, row, n, depth, columns, packed, run * depth * PANEL)
                        offsets[2 * run] = ((top + i) * width + left + j0) * channels
                        offsets[2 * run + 1] = run * depth * PANEL
                    init, init_row = (bias + size * (position * filters + n), 0) if chunk == i0 else (out, y_row)
                    _over_images(
                        tile, limit_narrow if columns <= lanes else limit, size, images, columns, x, x_row,
                        chunk_end - chunk, depth, place(scratch), panel, init, init_row, out, y_row,
                    )  # fmt: skip
        if function != LINEAR:
            for image in range(images):
                activate(activation, function, y + size * (image * y_row + begin * filters), (end - begin) * filters)


_OUTPUTS = Kernel(_outputs)


def _inputs(p, first, last, shared, scratch):
    """Input pixels ``first`` … ``last`` of the input's gradient; for `p` see `_sizes` and `input_gradient`."""
    images, height, width, channels, positions, out_width, filters = p[0], p[1], p[2], p[3], p[4], p[5], p[6]
    kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w = p[7], p[8], p[9], p[10], p[11], p[12]
    tile, size, limit, limit_narrow, lanes, offset_bytes = p[13], p[14], p[15], p[16], p[17], p[18]
    dx, dy, nothing, reach = p[19], p[21], p[22], p[23]
    x_row, y_row, out_height = height * width * channels, positions * filters, positions // out_width
    weights = matrix(p[20], positions * kernel_h * kernel_w * channels, filters, scratch)
    offsets = typed_array(place(scratch), 2 * kernel_h, np.int64)
    panel = place(scratch) + offset_bytes
    packed = array(panel, reach * filters * PANEL, scratch)
    for pixel in range(first, last):
        row, column = pixel // width + pad_h, pixel % width + pad_w
        p0, p1 = max(0, -((kernel_h - 1 - row) // stride_h)), min(out_height, row // stride_h + 1)
        q0, q1 = max(0, -((kernel_w - 1 - column) // stride_w)), min(out_width, column // stride_w + 1)
        depth = (q1 - q0) * filters
        together = max(1, CHUNK // max(1, depth))
        for n in range(0, channels, PANEL):
            columns = min(PANEL, channels - n)
            out = dx + size * (pixel * channels + n)
            if p0 >= p1 or q0 >= q1:  # no position reads the pixel
                _clear(out, images, x_row, columns, size, scratch)
                continue
            for chunk in range(p0, p1, together):
                chunk_end = min(p1, chunk + together)
                for i in range(chunk, chunk_end):
                    run = (i - chunk) * depth * PANEL
                    for j in range(q0, q1):
                        at = (row - i * stride_h) * kernel_w + column - j * stride_w
                        line = ((i * out_width + j) * kernel_h * kernel_w + at) * channels + n
                        pack_transposed(weights, line, 0, filters, columns, packed, run + (j - q0) * filters * PANEL)
                    offsets[2 * (i - chunk)], offsets[2 * (i - chunk) + 1] = (i * out_width + q0) * filters, run
                init, init_row = (nothing, 0) if chunk == p0 else (out, x_row)
                _over_images(
                    tile, limit_narrow if columns <= lanes else limit, size, images, columns, dy, y_row,
                    chunk_end - chunk, depth, place(scratch), panel, init, init_row, out, x_row,
                )  # fmt: skip


_INPUTS = Kernel(_inputs)


def _kernels(p, first, last, shared, scratch):
    """The weights' gradient at positions ``first`` … ``last``; for `p` see `_sizes` and `weight_gradient`.

    A tile's rows are cells of a kernel row, its columns filters; it sums over the images, whose gradients are packed.
    Where eq. (4) is to follow, the sums of a position wait in ``scratch``.
    """
    images, height, width, channels, positions, out_width, filters = p[0], p[1], p[2], p[3], p[4], p[5], p[6]
    kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w = p[7], p[8], p[9], p[10], p[11], p[12]
    tile, size, limit, limit_narrow, lanes = p[13], p[14], p[15], p[16], p[17]
    x, target, nothing, kind, velocity, origin = p[19], p[20], p[22], p[23], p[24], p[26]
    cells, x_row, constants = kernel_h * kernel_w * channels, height * width * channels, array(p[25], 3, scratch)
    dy = matrix(p[21], images, positions * filters, scratch)
    packed = array(place(scratch), images * PANEL, scratch)
    sums = place(scratch) + size * images * PANEL
    for position in range(first, last):
        top, left = position // out_width * stride_h - pad_h, position % out_width * stride_w - pad_w
        i0, i1 = max(0, -top), min(kernel_h, height - top)
        j0, j1 = max(0, -left), min(kernel_w, width - left)
        rows = (j1 - j0) * channels
        for n in range(0, filters, PANEL):
            columns = min(PANEL, filters - n)
            pack(dy, 0, position * filters + n, images, columns, packed, 0)
            home = size * (position * cells * filters + n)
            out, out_row = (sums, PANEL) if kind >= UPDATE else (target + home, filters)
            if kind != ADD and (i1 - i0) * rows < cells:  # what reads the padding has no gradient
                _clear(out, cells, out_row, columns, size, scratch)
            most = limit_narrow if columns <= lanes else limit
            strips = (rows + most - 1) // most
            for i in range(i0, i1):
                for strip in range(strips):
                    r0, r1 = share(strip, strips, rows)
                    start = out + size * ((i * kernel_w + j0) * channels + r0) * out_row
                    init, init_row = (start, out_row) if kind == ADD else (nothing, 0)
                    tiles.call(
                        tile, r1 - r0, columns, x + size * (((top + i) * width + left + j0) * channels + r0), 1, x_row,
                        1, images, origin, place(scratch), init, init_row, start, out_row,
                    )  # fmt: skip
            if kind >= UPDATE:
                apply_rows(
                    kind, cells, columns, sums, PANEL, target + home, velocity + home, filters, constants
                )  # fmt: skip


_KERNELS = Kernel(_kernels)


def _sizes(x: Array, weights: Array, y: Array, geometry: Geometry) -> tuple[int, ...]:
    """The integers that the three kernels share; the arrays may be those or their gradients."""
    (images, height, width, channels), (_, *out, filters) = x.shape, y.shape
    kernel, size = weights.shape[2:4], y.itemsize
    if weights.shape != (*out, *kernel, channels, filters):
        raise ValueError(f"found weights of shape {weights.shape} for images {x.shape} and outputs {y.shape}")
    for axis, cells in enumerate((height, width)):
        stride, padding = geometry[axis], geometry[2 + axis]
        if padding >= kernel[axis] or (out[axis] - 1) * stride - padding >= cells:
            raise ValueError(f"a window of {kernel[axis]} with padding {padding} lies outside of {cells} cells")
    return (
        images, height, width, channels, out[0] * out[1], out[1], filters, *kernel, *geometry,
        tiles.address(size), size, tiles.row_limit(size), tiles.row_limit(size, 1), lanes_of(size),
        -(-16 * kernel[0] // ALIGNMENT) * ALIGNMENT,
    )  # fmt: skip


def _launch(
    kernel: Kernel, tasks: int, sizes: tuple[int, ...], x: Array, weights: Array, y: Array,
    more: tuple[Argument, ...], scratch: int,
) -> list[Launch]:  # fmt: skip
    """``scratch``: elements, beside the offsets of the runs."""
    parallel = len(x) * weights.size >= dense.SERIAL
    arguments, size = (*sizes, x, weights, y, *more), sizes[-1] + weights.itemsize * scratch
    return [Launch(kernel, weights.dtype, tasks, arguments, parallel=parallel, scratch=size)]


@Planned
def forward(x: Array, weights: Array, bias: Array, geometry: Geometry, function: int, y: Array) -> list[Launch]:
    """y ← f(x ∗ weights + bias), with the activation function of this code."""
    sizes, positions = _sizes(x, weights, y, geometry), y.shape[1] * y.shape[2]
    if bias.shape != y.shape[1:]:
        raise ValueError(f"found biases of shape {bias.shape} for outputs of shape {y.shape[1:]}")
    more = (bias, dense.code(y.itemsize)[1], function)
    return _launch(_OUTPUTS, positions, sizes, x, weights, y, more, prod(weights.shape[2:5]) * PANEL)


@Planned
def input_gradient(dy: Array, weights: Array, geometry: Geometry, dx: Array) -> list[Launch]:
    """dx: each input gathers from every output that read it."""
    sizes, pixels = _sizes(dx, weights, dy, geometry), dx.shape[1] * dx.shape[2]
    reach = prod(-(-weights.shape[2 + axis] // geometry[axis]) for axis in (0, 1))  # positions that read a pixel
    more = (zeros(dx.dtype, PANEL), reach)
    return _launch(_INPUTS, pixels, sizes, dx, weights, dy, more, reach * dy.shape[3] * PANEL)


@Planned
def weight_gradient(
    x: Array, dy: Array, geometry: Geometry, kind: int, target: Array, velocity: Array, constants: Array
) -> list[Launch]:
    """The weights' gradient, summed over the images in order, sent to a sink shaped as the weights."""
    sizes, positions = _sizes(x, target, dy, geometry), dy.shape[1] * dy.shape[2]
    more = (zeros(dy.dtype, PANEL), kind, velocity, constants, ORIGIN)
    return _launch(_KERNELS, positions, sizes, x, target, dy, more, (len(x) + prod(target.shape[2:5])) * PANEL)
