"""Convolutions of 3 × 3 by Winograd's F(2 × 2, 3 × 3): 16 multiplications for 4 outputs instead of 36.

Lavin and Gray (2016): with the kernel g, inputs d of 4 × 4 and outputs y of 2 × 2,

    y = Aᵀ [ U ⊙ V ] A,    U = G g Gᵀ,    V = Bᵀ d B

and summed over channels, ⊙ becomes for each of the 16 places a product (squares × channels) · (channels × filters).
A square is one 2 × 2 piece of the output; a task is a block of them, over all images: its V, its products and their
outputs pass through a worker's cache one after the other. In V's place (1, 1), which all four outputs add with
coefficient 1, the sum begins with the bias. The weights' gradient is the transpose of the same map,

    dg = Gᵀ [ Σ over squares V ⊙ (A dy Aᵀ) ] G,

where a worker owns some of the channels and walks over all squares, in order. Every sum keeps one order.

In float32 the error relative to the largest output is about twice that of the direct sum.
"""

from typing import Any

import numpy as np
from numba import get_num_threads, njit

from dlcli.kernels import tile as tiles
from dlcli.kernels import transform
from dlcli.kernels.activation import LINEAR, activate
from dlcli.kernels.dense import DEPTH, ORIGIN, machine_code, share
from dlcli.kernels.launch import Kernel, Launch, array, matrix, place
from dlcli.kernels.panel import pack, pack_transposed
from dlcli.kernels.sink import ADD, UPDATE, update_rows
from dlcli.kernels.tile import PANEL
from dlcli.kernels.workspace import zeros

Array = np.ndarray[Any, Any]
PLACES = 16  # of a transformed square
LEAST = 32  # channels, and filters, of a group, from which on the transforms are paid back
SQUARES, BLOCK_BYTES = (48, 128), 1 << 20  # in a block, at least and at most; bytes of its V and products
MOST_CHANNELS = 128  # that a task of the weights' gradient owns
GRADIENT_SQUARES = 160  # steps of k in a block of the weights' gradient


def suits(weights: tuple[int, ...], geometry: tuple[int, ...]) -> bool:
    """Whether a convolution with weights (KH, KW, C / groups, F) is one for `forward` and `weight_gradient`."""
    stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w, groups = geometry
    least = min(weights[2], weights[3] // groups)
    return (
        weights[:2] == (3, 3)
        and (stride_h, stride_w, dilation_h, dilation_w) == (1, 1, 1, 1)
        and max(pad_h, pad_w) <= 2
        and least >= LEAST
    )


def _transform_weights(p, first, last, shared, scratch):
    """Tasks: the panels of each group. ``shared`` ← U, the packed panels of every place."""
    rows, columns, backward, depth, width, groups, size = p[1], p[2], p[3], p[4], p[5], p[6], p[7]
    weights = matrix(p[0], rows, columns, scratch)
    panels = (width + PANEL - 1) // PANEL
    plane = depth * PANEL
    taps = array(place(scratch), 9 * plane, scratch)
    for task in range(first, last):
        group, n = task // panels, task % panels * PANEL
        for tap in range(9):
            if backward:
                pack_transposed(
                    weights, tap * width + n, group * depth, depth, min(PANEL, width - n), taps, tap * plane
                )
            else:
                pack(weights, tap * depth, group * width + n, depth, min(PANEL, width - n), taps, tap * plane)
        source, step = place(scratch), plane
        if backward:  # the gradient's kernel is turned by half
            source, step = source + size * 8 * plane, -plane
        square = groups * panels * plane
        out = shared + size * task * plane
        transform.kernels(taps[0], plane, source, 3 * step, step, out, 4 * square, square)


@njit(cache=True)
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


@njit(cache=True)
def _square(x, size, height, width, channels, image, h, w, side, first, count, edge, like):
    """Where a square of an image begins, and its strides: in place, or in ``edge`` where it reaches outside."""
    if h >= 0 and h + side <= height and w >= 0 and w + side <= width:
        return x + size * (((image * height + h) * width + w) * channels + first), width * channels, channels
    _gather(x, size, height, width, channels, image, h, w, side, first, count, edge, like)
    return edge, side * count, count


@njit(cache=True)
def _products(tile, origin, limit, size, squares, depth, width, v, u, u_place, products, bias, nothing):
    """products (16, squares, width) ← v (16, squares, depth) · u, place by place."""
    chunks = (depth + DEPTH - 1) // DEPTH
    strips = (squares + limit - 1) // limit
    for index in range(PLACES):
        first = bias if index == 5 else nothing
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
    """Tasks: blocks of squares; for `p` see `forward`."""
    tile, activation, function, origin, limit, size = p[0], p[1], p[2], p[3], p[4], p[5]
    x, height, width, channels, pad_h, pad_w = p[6], p[7], p[8], p[9], p[10], p[11]
    y, out_height, out_width, filters = p[12], p[13], p[14], p[15]
    depth, wide, groups, bias, nothing = p[16], p[17], p[18], p[19], p[20]
    total, tasks, most = p[21], p[22], p[23]
    across, panels = (out_width + 1) // 2, (wide + PANEL - 1) // PANEL
    per_image = (out_height + 1) // 2 * across
    v = place(scratch)
    products = v + size * PLACES * most * depth
    edge = products + size * PLACES * most * wide
    like = array(nothing, 1, scratch)[0]
    for task in range(first, last):
        t0, t1 = share(task, tasks, total)
        squares = t1 - t0
        for group in range(groups):
            for t in range(t0, t1):
                image, i, j = t // per_image, t % per_image // across, t % per_image % across
                start, row, column = _square(
                    x, size, height, width, channels, image, 2 * i - pad_h, 2 * j - pad_w, 4, group * depth, depth,
                    edge, scratch,
                )  # fmt: skip
                out = v + size * (t - t0) * depth
                transform.inputs(like, depth, start, row, column, out, 4 * squares * depth, squares * depth)
            u = shared + size * group * panels * depth * PANEL
            _products(
                tile, origin, limit, size, squares, depth, wide, v, u, groups * panels * depth * PANEL, products,
                bias + size * group * wide, nothing,
            )  # fmt: skip
            for t in range(t0, t1):
                image, i, j = t // per_image, t % per_image // across, t % per_image % across
                start = products + size * (t - t0) * wide
                home = y + size * (((image * out_height + 2 * i) * out_width + 2 * j) * filters + group * wide)
                if 2 * i + 2 <= out_height and 2 * j + 2 <= out_width:
                    transform.outputs(
                        like, wide, start, 4 * squares * wide, squares * wide, home, out_width * filters, filters
                    )
                    continue
                transform.outputs(like, wide, start, 4 * squares * wide, squares * wide, edge, 2 * wide, wide)
                for k in range(4):
                    if 2 * i + k // 2 < out_height and 2 * j + k % 2 < out_width:
                        source = array(edge + size * k * wide, wide, scratch)
                        target = array(home + size * (k // 2 * out_width + k % 2) * filters, wide, scratch)
                        for n in range(wide):
                            target[n] = source[n]
        if function != LINEAR:
            for t in range(t0, t1):
                image, i, j = t // per_image, t % per_image // across, t % per_image % across
                for h in range(2 * i, min(2 * i + 2, out_height)):
                    home = y + size * ((image * out_height + h) * out_width + 2 * j) * filters
                    activate(activation, function, home, min(2, out_width - 2 * j) * filters)


def _gradient(p, first, last, shared, scratch):
    """Tasks: shares of a group's channels, group after group; for `p` see `weight_gradient`."""
    tile, origin, limit, size = p[0], p[1], p[2], p[3]
    x, height, width, channels, pad_h, pad_w = p[4], p[5], p[6], p[7], p[8], p[9]
    dy, out_height, out_width, filters = p[10], p[11], p[12], p[13]
    depth, wide, shares, nothing, total = p[14], p[15], p[16], p[17], p[18]
    kind, target, velocity, constants = p[19], p[20], p[21], array(p[22], 3, scratch)
    most = p[23]
    across, panels = (out_width + 1) // 2, (wide + PANEL - 1) // PANEL
    per_image = (out_height + 1) // 2 * across
    like = constants[0]
    v = place(scratch)
    d = v + size * PLACES * GRADIENT_SQUARES * most
    sums = d + size * PLACES * GRADIENT_SQUARES * panels * PANEL
    edge = sums + size * PLACES * most * wide
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
                    x, size, height, width, channels, image, 2 * i - pad_h, 2 * j - pad_w, 4, group * depth + c0, rows,
                    edge, scratch,
                )  # fmt: skip
                out = v + size * (t - t0) * rows
                transform.inputs(like, rows, start, row, column, out, 4 * squares * rows, squares * rows)
                start, row, column = _square(
                    dy, size, out_height, out_width, filters, image, 2 * i, 2 * j, 2, group * wide, wide, edge, scratch
                )
                for n in range(panels):
                    out = d + size * (n * squares + t - t0) * PANEL
                    step = panels * squares * PANEL
                    transform.output_panels(
                        like, min(PANEL, wide - n * PANEL), start + size * n * PANEL, row, column, out, 4 * step, step
                    )
            for index in range(PLACES):
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
            step, taps = rows * wide, array(edge, 9 * wide, scratch)
            transform.kernel_gradients(like, wide, sums + size * c * wide, 4 * step, step, edge, 3 * wide, wide)
            for tap in range(9):
                home = size * ((tap * depth + c0 + c) * filters + group * wide)
                if kind == UPDATE:
                    update_rows(
                        1, wide, edge + size * tap * wide, wide, target + home, velocity + home, filters,
                        constants[0], constants[1], constants[2],
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
    padding: tuple[int, int],
    groups: int,
    bias: Array,
    function: int,
    y: Array,
) -> list[Launch]:
    """y ← f(x ∗ weights + bias), or, ``backward``, y ← x ∗ the turned kernels from filters to channels.

    x: (N, H, W, C), y: (N, OH, OW, F), contiguous; ``padding``: rows and columns before the image.
    """
    (images, height, width, channels), (_, out_height, out_width, filters) = x.shape, y.shape
    depth, wide, size = channels // groups, filters // groups, y.itemsize
    panels, total = -(-wide // PANEL), images * -(-out_height // 2) * -(-out_width // 2)
    workers = get_num_threads()
    fitting = BLOCK_BYTES // (size * PLACES * (depth + wide))
    tasks = -(-total // min(max(fitting, SQUARES[0]), SQUARES[1]))
    tasks = min(total, -(-tasks // workers) * workers)
    most = -(-total // tasks)
    shared = size * PLACES * groups * panels * depth * PANEL
    flat = weights.reshape(-1, weights.shape[3])
    nothing = zeros(y.dtype, max(depth, wide))
    weighing = (flat, *flat.shape, backward, depth, wide, groups, size)
    walking = (
        *machine_code(size), function, ORIGIN, tiles.row_limit(size), size, x, height, width, channels, *padding, y,
        out_height, out_width, filters, depth, wide, groups, bias, nothing, total, tasks, most,
    )  # fmt: skip
    edge = PLACES * max(depth, wide)
    return [
        Launch(TRANSFORM_WEIGHTS, y.dtype, groups * panels, weighing, shared=shared, scratch=size * 9 * depth * PANEL),
        Launch(WALK, y.dtype, tasks, walking, shared=shared,
               scratch=size * (PLACES * most * (depth + wide) + edge + PANEL)),
    ]  # fmt: skip


def weight_gradient(
    x: Array, dy: Array, padding: tuple[int, int], groups: int, kind: int, target: Array, velocity: Array,
    constants: Array,
) -> list[Launch]:  # fmt: skip
    """The gradient of weights (3, 3, C / groups, F), sent to a sink."""
    (images, height, width, channels), (_, out_height, out_width, filters) = x.shape, dy.shape
    depth, wide, size = channels // groups, filters // groups, dy.itemsize
    total, workers = images * -(-out_height // 2) * -(-out_width // 2), get_num_threads()
    shares = min(depth, max(-(-workers // groups), -(-depth // MOST_CHANNELS)))
    shares = -(-shares * groups // workers) * workers // groups if groups < workers else shares
    most, panels = -(-depth // shares), -(-wide // PANEL)
    arguments = (
        tiles.address(size), ORIGIN, tiles.row_limit(size), size, x, height, width, channels, *padding, dy,
        out_height, out_width, filters, depth, wide, shares, zeros(dy.dtype, wide), total, kind, target, velocity,
        constants, most,
    )  # fmt: skip
    elements = PLACES * (GRADIENT_SQUARES * (most + panels * PANEL) + most * wide + max(most, wide)) + PANEL
    return [Launch(GRADIENT, dy.dtype, groups * shares, arguments, scratch=size * elements)]
