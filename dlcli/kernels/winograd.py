"""Convolutions of 3 × 3 and 5 × 5 by Winograd's F(m × m, r × r): (m + r − 1)² multiplications for m² outputs.

Lavin and Gray (2016), with the matrices of `dlcli.kernels.transform`: for the kernel g, inputs d and outputs y,

    y = Aᵀ [ U ⊙ V ] A,    U = G g Gᵀ,    V = Bᵀ d B

and summed over channels, ⊙ becomes for each of the places a product (squares × channels) · (channels × filters).
A square is one m × m piece of the output; a task is a block of them, over all images: its V, its products and their
outputs pass through a worker's cache one after the other. In V's place (1, 1), which all the outputs add with
coefficient 1, the sum begins with the bias. The weights' gradient is the transpose of the same map,

    dg = Gᵀ [ Σ over squares V ⊙ (A dy Aᵀ) ] G,

where a worker owns some of the channels and walks over all squares, in order. Every sum keeps one order.

In float32 the error, relative to the largest output, is a few times that of the direct sum: at 320 channels 0.8, 5 and
3 millionths by F(2 × 2, 3 × 3), F(4 × 4, 3 × 3) and F(2 × 2, 5 × 5), where the direct sums have 2 and 3.
"""

from typing import Any

import numpy as np
from numba import get_num_threads

from dlcli.kernels import tile as tiles
from dlcli.kernels import transform
from dlcli.kernels.activation import LINEAR, activate_rows
from dlcli.kernels.addresses import array, matrix, place
from dlcli.kernels.constants import zeros
from dlcli.kernels.dense import DEPTH, ORIGIN, code, share
from dlcli.kernels.launch import Kernel, Launch, Rows, piece
from dlcli.kernels.panel import pack, pack_transposed
from dlcli.kernels.sink import ADD, UPDATE, apply_rows
from dlcli.kernels.tile import PANEL

Array = np.ndarray[Any, Any]
LEAST_SIDE = {3: 1, 5: 8}  # of an output, by the kernel's
LEAST = 32  # channels, and filters, of a group, from which on the transforms are paid back
SQUARES, BLOCK_BYTES = (48, 128), 1 << 20  # in a block, at least and at most; bytes of its V and products
MOST_CHANNELS = 64  # that a task of the weights' gradient owns
GRADIENT_SQUARES = 96  # steps of k in a block of the weights' gradient


def suits(weights: tuple[int, ...], out: tuple[int, ...], geometry: tuple[int, ...]) -> bool:
    """Whether a convolution is one for `correlate`: weights (KH, KW, C / groups, F), an output's rows and columns."""
    stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w, groups = geometry
    return (
        weights[:2] in ((3, 3), (5, 5))
        and (stride_h, stride_w, dilation_h, dilation_w) == (1, 1, 1, 1)
        and max(pad_h, pad_w) < weights[0]
        and min(weights[2], weights[3] // groups) >= LEAST
        and min(out) >= LEAST_SIDE[weights[0]]
    )


def _scheme(weights: tuple[int, ...], out: tuple[int, ...]) -> tuple[int, int, int, int]:
    """(number, m, r, m + r − 1) of the scheme with the fewest multiplications for an output's rows and columns."""

    def multiplications(number: int) -> int:
        m, r = transform.SCHEMES[number]
        return -(-out[0] // m) * -(-out[1] // m) * (m + r - 1) ** 2

    fitting = [number for number, (_, r) in enumerate(transform.SCHEMES) if r == weights[0]]
    number = min(fitting, key=multiplications)
    m, r = transform.SCHEMES[number]
    return number, m, r, m + r - 1


def _transform_weights(p, first, last, shared, scratch):
    """Tasks: the panels of each group. ``shared`` ← U, the packed panels of every place."""
    rows, columns, backward, depth, width, groups, size = p[1], p[2], p[3], p[4], p[5], p[6], p[7]
    scheme, r, side = p[8], p[9], p[10]
    weights = matrix(p[0], rows, columns, scratch)
    panels = (width + PANEL - 1) // PANEL
    plane = depth * PANEL
    taps = array(place(scratch), r * r * plane, scratch)
    for task in range(first, last):
        group, n = task // panels, task % panels * PANEL
        for tap in range(r * r):
            if backward:
                pack_transposed(
                    weights, tap * width + n, group * depth, depth, min(PANEL, width - n), taps, tap * plane
                )
            else:
                pack(weights, tap * depth, group * width + n, depth, min(PANEL, width - n), taps, tap * plane)
        source, step = place(scratch), plane
        if backward:  # the gradient's kernel is turned by half
            source, step = source + size * (r * r - 1) * plane, -plane
        square = groups * panels * plane
        out = shared + size * task * plane
        transform.kernels(scheme, taps[0], plane, source, r * step, step, out, side * square, square)


@piece()
def _gather(x, size, height, width, channels, image, h, w, side, first, count, edge, like):
    """edge (side, side, count) ← a square of an image's channels from ``first`` on, zeros outside."""
    for i in range(side):
        for j in range(side):
            out = array(edge + size * (i * side + j) * count, count, like)
            if 0 <= h + i < height and 0 <= w + j < width:
                source = array(x + size * (((image * height + h + i) * width + w + j) * channels + first), count, like)
                for c in range(count):
                    out[c] = source[c]
            else:
                for c in range(count):
                    out[c] = 0


@piece()
def _square(x, size, height, width, channels, image, h, w, side, first, count, edge, like):
    """Where a square of an image begins, and its strides: in place, or in ``edge`` where it reaches outside."""
    if h >= 0 and h + side <= height and w >= 0 and w + side <= width:
        return x + size * (((image * height + h) * width + w) * channels + first), width * channels, channels
    _gather(x, size, height, width, channels, image, h, w, side, first, count, edge, like)
    return edge, side * count, count


@piece()
def _products(tile, origin, limit, size, side, squares, depth, width, v, u, u_place, products, bias, nothing):
    """products (places, squares, width) ← v (places, squares, depth) · u, place by place."""
    chunks = (depth + DEPTH - 1) // DEPTH
    strips = (squares + limit - 1) // limit
    for index in range(side * side):
        first = bias if index == side + 1 else nothing
        for chunk in range(chunks):
            k0, k1 = share(chunk, chunks, depth)
            for n in range(0, width, PANEL):
                panel = u + size * (index * u_place + n * depth + k0 * PANEL)
                for strip in range(strips):
                    r0, r1 = share(strip, strips, squares)
                    out = products + size * ((index * squares + r0) * width + n)
                    init, init_row = (first + size * n, 0) if chunk == 0 else (out, width)
                    tiles.call(
                        tile, r1 - r0, min(PANEL, width - n), v + size * ((index * squares + r0) * depth + k0), depth,
                        1, 1, k1 - k0, origin, panel, init, init_row, out, width,
                    )  # fmt: skip


def _walk(p, first, last, shared, scratch):
    """Tasks: blocks of squares; for `p` see `correlate`."""
    tile, activation, function, origin, limit, size = p[0], p[1], p[2], p[3], p[4], p[5]
    x, height, width, channels, pad_h, pad_w = p[6], p[7], p[8], p[9], p[10], p[11]
    y, out_height, out_width, apart = p[12], p[13], p[14], p[15]
    depth, wide, groups, bias, nothing = p[16], p[17], p[18], p[19], p[20]
    total, tasks, most, scheme, m, side = p[21], p[22], p[23], p[24], p[25], p[26]
    across, panels = (out_width + m - 1) // m, (wide + PANEL - 1) // PANEL
    per_image = (out_height + m - 1) // m * across
    v = place(scratch)
    products = v + size * side * side * most * depth
    edge = products + size * side * side * most * wide
    like = array(nothing, 1, scratch)[0]
    for task in range(first, last):
        t0, t1 = share(task, tasks, total)
        squares = t1 - t0
        for group in range(groups):
            for t in range(t0, t1):
                image, i, j = t // per_image, t % per_image // across, t % per_image % across
                start, row, column = _square(
                    x, size, height, width, channels, image, m * i - pad_h, m * j - pad_w, side, group * depth, depth,
                    edge, scratch,
                )  # fmt: skip
                out = v + size * (t - t0) * depth
                transform.inputs(scheme, like, depth, start, row, column, out, side * squares * depth, squares * depth)
            u = shared + size * group * panels * depth * PANEL
            _products(
                tile, origin, limit, size, side, squares, depth, wide, v, u, groups * panels * depth * PANEL, products,
                bias + size * group * wide, nothing,
            )  # fmt: skip
            for t in range(t0, t1):
                image, i, j = t // per_image, t % per_image // across, t % per_image % across
                start = products + size * (t - t0) * wide
                home = y + size * (((image * out_height + m * i) * out_width + m * j) * apart + group * wide)
                row, column = side * squares * wide, squares * wide
                if m * i + m <= out_height and m * j + m <= out_width:
                    transform.outputs(scheme, like, wide, start, row, column, home, out_width * apart, apart)
                    continue
                transform.outputs(scheme, like, wide, start, row, column, edge, m * wide, wide)
                for h in range(min(m, out_height - m * i)):
                    for w in range(min(m, out_width - m * j)):
                        source = array(edge + size * (h * m + w) * wide, wide, scratch)
                        target = array(home + size * (h * out_width + w) * apart, wide, scratch)
                        for n in range(wide):
                            target[n] = source[n]
        if function != LINEAR:
            for t in range(t0, t1):
                image, i, j = t // per_image, t % per_image // across, t % per_image % across
                for h in range(m * i, min(m * i + m, out_height)):
                    home = y + size * ((image * out_height + h) * out_width + m * j) * apart
                    activate_rows(activation, function, home, min(m, out_width - m * j), groups * wide, apart, size)


def _gradient(p, first, last, shared, scratch):
    """Tasks: shares of a group's channels, group after group; for `p` see `weight_gradient`."""
    tile, origin, limit, size = p[0], p[1], p[2], p[3]
    x, height, width, channels, pad_h, pad_w = p[4], p[5], p[6], p[7], p[8], p[9]
    dy, out_height, out_width, filters = p[10], p[11], p[12], p[13]
    depth, wide, shares, nothing, total = p[14], p[15], p[16], p[17], p[18]
    kind, target, velocity, constants = p[19], p[20], p[21], array(p[22], 3, scratch)
    most, scheme, m, r, side = p[23], p[24], p[25], p[26], p[27]
    across, panels = (out_width + m - 1) // m, (wide + PANEL - 1) // PANEL
    per_image, places = (out_height + m - 1) // m * across, side * side
    like = constants[0]
    v = place(scratch)
    d = v + size * places * GRADIENT_SQUARES * most
    sums = d + size * places * GRADIENT_SQUARES * panels * PANEL
    edge = sums + size * places * most * wide
    for task in range(first, last):
        group = task // shares
        c0, c1 = share(task % shares, shares, depth)
        rows = c1 - c0
        strips = (rows + limit - 1) // limit
        for t0 in range(0, total, GRADIENT_SQUARES):
            squares = min(GRADIENT_SQUARES, total - t0)
            for t in range(t0, t0 + squares):
                image, i, j = t // per_image, t % per_image // across, t % per_image % across
                start, row, column = _square(
                    x, size, height, width, channels, image, m * i - pad_h, m * j - pad_w, side, group * depth + c0,
                    rows, edge, scratch,
                )  # fmt: skip
                out = v + size * (t - t0) * rows
                transform.inputs(scheme, like, rows, start, row, column, out, side * squares * rows, squares * rows)
                start, row, column = _square(
                    dy, size, out_height, out_width, filters, image, m * i, m * j, m, group * wide, wide, edge, scratch
                )
                for n in range(panels):
                    out = d + size * (n * squares + t - t0) * PANEL
                    step = panels * squares * PANEL
                    transform.output_panels(
                        scheme,
                        like,
                        min(PANEL, wide - n * PANEL),
                        start + size * n * PANEL,
                        row,
                        column,
                        out,
                        side * step,
                        step,
                    )
            for index in range(places):
                for n in range(0, wide, PANEL):
                    panel = d + size * (index * panels * PANEL + n) * squares
                    for strip in range(strips):
                        r0, r1 = share(strip, strips, rows)
                        out = sums + size * ((index * rows + r0) * wide + n)
                        init, init_row = (nothing, 0) if t0 == 0 else (out, wide)
                        tiles.call(
                            tile, r1 - r0, min(PANEL, wide - n), v + size * (index * squares * rows + r0), 1, rows, 1,
                            squares, origin, panel, init, init_row, out, wide,
                        )  # fmt: skip
        for c in range(rows):
            step, taps = rows * wide, array(edge, r * r * wide, scratch)
            transform.kernel_gradients(
                scheme, like, wide, sums + size * c * wide, side * step, step, edge, r * wide, wide
            )
            for tap in range(r * r):
                home = size * ((tap * depth + c0 + c) * filters + group * wide)
                if kind >= UPDATE:
                    apply_rows(
                        kind, 1, wide, edge + size * tap * wide, wide, target + home, velocity + home, filters,
                        constants,
                    )  # fmt: skip
                    continue
                out = array(target + home, wide, scratch)
                for n in range(wide):
                    out[n] = (out[n] if kind == ADD else 0) + taps[tap * wide + n]


TRANSFORM_WEIGHTS, WALK, GRADIENT = Kernel(_transform_weights), Kernel(_walk), Kernel(_gradient)


def correlate(
    x: Array,
    weights: Array,
    backward: bool,
    padding: tuple[int, ...],
    groups: int,
    bias: Array,
    function: int,
    y: Array,
) -> list[Launch]:
    """y ← f(x ∗ weights + bias), or, ``backward``, y ← x ∗ the turned kernels from filters to channels.

    x: (N, H, W, C), contiguous, y: (N, OH, OW, F), as `Rows`; ``padding``: rows and columns before the image.
    """
    (images, height, width, channels), (_, out_height, out_width, filters) = x.shape, y.shape
    scheme, m, r, side = _scheme(weights.shape, (out_height, out_width))
    depth, wide, size, places = channels // groups, filters // groups, y.itemsize, side * side
    target = Rows(y)
    panels, total = -(-wide // PANEL), images * -(-out_height // m) * -(-out_width // m)
    workers = get_num_threads()
    fitting = BLOCK_BYTES // (size * places * (depth + wide))
    tasks = -(-total // min(max(fitting, SQUARES[0]), SQUARES[1]))
    tasks = min(total, -(-tasks // workers) * workers)
    most = -(-total // tasks)
    shared = size * places * groups * panels * depth * PANEL
    flat = weights.reshape(-1, weights.shape[3])
    weighing = (flat, *flat.shape, backward, depth, wide, groups, size, scheme, r, side)
    walking = (
        *code(size), function, ORIGIN, tiles.row_limit(size), size, x, height, width, channels, *padding,
        target, out_height, out_width, target.apart, depth, wide, groups, bias, zeros(y.dtype, max(depth, wide)), total,
        tasks, most, scheme, m, side,
    )  # fmt: skip
    taps, edge = r * r * depth * PANEL, places * max(depth, wide)
    return [
        Launch(TRANSFORM_WEIGHTS, y.dtype, groups * panels, weighing, shared=shared, scratch=size * taps),
        Launch(WALK, y.dtype, tasks, walking, shared=shared,
               scratch=size * (places * most * (depth + wide) + edge + PANEL)),
    ]  # fmt: skip


def gradient_suits(weights: tuple[int, ...], out: tuple[int, ...], geometry: tuple[int, ...]) -> bool:
    """Whether it is one for `weight_gradient` too: not 5 × 5, whose error grows with the batch."""
    return weights[0] == 3 and suits(weights, out, geometry)


def weight_gradient(
    x: Array, dy: Array, padding: tuple[int, ...], groups: int, kind: int, target: Array, velocity: Array,
    constants: Array,
) -> list[Launch]:  # fmt: skip
    """The gradient of weights (r, r, C / groups, F), sent to a sink."""
    (images, height, width, channels), (_, out_height, out_width, filters) = x.shape, dy.shape
    scheme, m, r, side = _scheme(target.shape, (out_height, out_width))
    depth, wide, size, places = channels // groups, filters // groups, dy.itemsize, side * side
    total, workers = images * -(-out_height // m) * -(-out_width // m), get_num_threads()
    shares = min(depth, max(-(-workers // groups), -(-depth // MOST_CHANNELS)))
    most, panels = -(-depth // shares), -(-wide // PANEL)
    arguments = (
        tiles.address(size), ORIGIN, tiles.row_limit(size), size, x, height, width, channels, *padding, dy,
        out_height, out_width, filters, depth, wide, shares, zeros(dy.dtype, wide), total, kind, target, velocity,
        constants, most, scheme, m, r, side,
    )  # fmt: skip
    elements = places * (GRADIENT_SQUARES * (most + panels * PANEL) + most * wide + max(most, wide)) + PANEL
    return [Launch(GRADIENT, dy.dtype, groups * shares, arguments, scratch=size * elements)]
