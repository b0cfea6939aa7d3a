"""The convolution's products (cross-correlation: the kernel is not flipped), channels last.

Shapes: x (N, H, W, C), weights (KH, KW, C / groups, F), y (N, OH, OW, F), all contiguous, but that the forward pass
may write a y that is part of a larger array (see `dlcli.kernels.launch.Rows`); ``geometry`` = (stride,
padding and dilation, each of rows and columns, groups): output (p, q) reads input (p·stride − padding + k·dilation).
Group g takes the g-th share of the channels to the g-th share of the filters.

The forward pass and the input's gradient (which is the transposed convolution too) are one kernel,
`dlcli.kernels.correlation`, under two plans: dx gathers, for each residue of its rows and columns modulo the stride,
from the taps that can reach it. A 1 × 1 convolution with nothing to skip is a dense product over all positions. Every
element is one sum, owned by one thread, in an order that shapes alone decide, but for dx: where most of dy is zero, it
has another (`dlcli.kernels.sparse_correlation`).
"""

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numba import get_num_threads

from dlcli.kernels import correlation, dense, sparse_correlation, weight_correlation, winograd
from dlcli.kernels import tile as tiles
from dlcli.kernels.activation import LINEAR
from dlcli.kernels.constants import zeros
from dlcli.kernels.launch import Launch, Planned, Rows, address_of
from dlcli.kernels.sink import UPDATE
from dlcli.kernels.tile import PANEL

Array = np.ndarray[Any, Any]
Geometry = tuple[int, ...]
Shape = tuple[int, ...]

BAND_BYTES = 256 * 1024  # of input and output that a thread works on: part of a second-level cache
CUT_WASTE, CUT_DEPTH, CUT_ROWS = 0.04, 64, 12  # cutting is worth it from such a saving, steps and rows of a part on
PARALLEL_PACKING = 50_000  # weights from which on the threads pack them
POSITIONS = 256  # output positions in a band of the weight gradient


class Axis(NamedTuple):
    """The output points of one axis that share their taps: from ``start``, ``points`` of them.

    ``taps``: (kernel place, input place read by the first point), in the order of the sum.
    """

    start: int
    points: int
    taps: tuple[tuple[int, int], ...]


def _forward_axis(out: int, kernel: int, padding: int, dilation: int) -> list[Axis]:
    return [Axis(0, out, tuple((k, k * dilation - padding) for k in range(kernel)))]


def _gradient_axis(size: int, kernel: int, stride: int, padding: int, dilation: int) -> list[Axis]:
    """Input h hears from output p = (h + padding − k · dilation) / stride, where that is whole."""
    axes = []
    for residue in range(min(stride, size)):
        reach = [(k, residue + padding - k * dilation) for k in reversed(range(kernel))]
        taps = tuple((k, place // stride) for k, place in reach if place % stride == 0)
        axes.append(Axis(residue, -(-(size - residue) // stride), taps))
    return axes


class Plan(NamedTuple):
    """Whole numbers that the correlation kernel follows; see there."""

    window: tuple[int, ...]
    sizes: tuple[int, ...]
    phases: Array
    runs: Array
    run_rows: Array
    taps: Array
    packed: int  # elements of packed weights
    scratch: int  # elements of a band with its padding
    bands: int  # of an image


def _reach(place: int, count: int, step: int, size: int) -> tuple[int, int]:
    """The first of ``count`` points whose tap is inside the input, and the one past the last."""
    return min(count, max(0, -(place // step))), max(0, min(count, -(-(size - place) // step)))


def _cut(axis: Axis, step: int, size: int) -> list[Axis]:
    """The parts of one axis: a part for each tap, over the points at which it is inside the input."""
    parts = []
    for k, place in axis.taps:
        first, last = _reach(place, axis.points, step, size)
        if first < last:
            parts.append(Axis(first, last - first, ((k, place + first * step),)))
    return parts


def _waste(axes: list[Axis], step: int, size: int) -> float:
    """The share of multiplications along an axis that are with padding."""
    total = sum(axis.points * len(axis.taps) for axis in axes)
    return 1 - sum(part.points for axis in axes for part in _cut(axis, step, size)) / max(total, 1)


def _correlation_plan(
    x: Shape, y: Shape, kernel: Shape, groups: int, axes: tuple[list[Axis], list[Axis]], steps: Shape, itemsize: int
) -> Plan:
    """The plan to read x (N, H, W, C) for y; ``steps``: input's and output's, each of rows and columns."""
    (_, height, width, channels), (_, out_height, _, filters) = x, y
    in_step_h, in_step_w, out_step_h, out_step_w = steps
    depth, panels = channels // groups, -(-(filters // groups) // PANEL)
    cut = depth * kernel[0] >= CUT_DEPTH and _waste(axes[1], in_step_w, width) > CUT_WASTE
    parts = [(axis, _cut(axis, in_step_w, width) if cut else [axis]) for axis in axes[1]]
    read = [
        (place, (part.points - 1) * in_step_w + place) for _, some in parts for part in some for _, place in part.taps
    ]
    # With a stride, an axis may have no tap at all: then nothing is read, and the gradient is zero.
    first, last = min((low for low, _ in read), default=0), 1 + max((high for _, high in read), default=0)
    rows_read = [place for axis in axes[0] for _, place in axis.taps]
    in_place = first >= 0 and last <= width
    first_row = min(rows_read, default=0)
    span = max(rows_read, default=0) - first_row + 1
    if in_place:
        first_row, first, last = 0, 0, width
    row_length = (last - first) * channels

    phases: list[Shape] = []
    runs: list[Shape] = []
    run_rows: list[int] = []
    taps: list[int] = []
    packed = 0
    for rows in axes[0]:
        for axis, some in parts:
            if cut or not (rows.taps and axis.taps):
                phases.append((rows.start, axis.start, rows.points, axis.points, 0, 0, 0, 0, 0, 1, 0))
            for part in some if rows.taps else ():
                places = [place for _, place in part.taps]
                if not places:
                    continue
                merged = groups == 1 and places == list(range(places[0], places[0] + len(places)))
                starts, run_depth = (places[:1], depth * len(places)) if merged else (places, depth)
                order = [i * kernel[1] + j for i, _ in rows.taps for j, _ in part.taps]
                start = axis.start + part.start * out_step_w if cut else axis.start
                reads = [(row, place) for _, row in rows.taps for place in starts]
                phases.append((rows.start, start, rows.points, part.points, len(reads), len(runs), len(taps),
                               len(order), packed, run_depth, int(cut)))  # fmt: skip
                runs += [
                    ((row - first_row) * row_length + (place - first) * channels, r * run_depth * PANEL)
                    for r, (row, place) in enumerate(reads)
                ]
                run_rows += [row for row, _ in reads]
                taps += order
                packed += len(order) * depth * groups * panels * PANEL

    most = max(axis.points for axis in axes[0])
    row_bytes = itemsize * (in_step_h * row_length + out_step_h * y[2] * filters)
    per_image = -(-most // min(most, max(1, BAND_BYTES // row_bytes)))
    band_rows = (-(-most // per_image) - 1) * in_step_h + span
    window = (height, first_row, span, first * channels, last * channels, int(in_place), most)
    sizes = (depth, filters // groups, groups, out_height, in_step_h, in_step_w, out_step_h, out_step_w, row_length)
    arrays = [np.array(table, np.int64) for table in (phases, runs, run_rows, taps)]
    return Plan(
        window,
        sizes,
        arrays[0],
        arrays[1],
        arrays[2],
        arrays[3],
        packed,
        0 if in_place else band_rows * row_length,
        per_image,
    )


@lru_cache(maxsize=256)
def _forward_plan(x: Shape, y: Shape, kernel: Shape, geometry: Geometry, itemsize: int) -> Plan:
    stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w, groups = geometry
    rows = _forward_axis(y[1], kernel[0], pad_h, dilation_h)
    columns = _forward_axis(y[2], kernel[1], pad_w, dilation_w)
    return _correlation_plan(x, y, kernel, groups, (rows, columns), (stride_h, stride_w, 1, 1), itemsize)


@lru_cache(maxsize=256)
def _gradient_plan(dy: Shape, dx: Shape, kernel: Shape, geometry: Geometry, itemsize: int) -> Plan:
    stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w, groups = geometry
    rows = _gradient_axis(dx[1], kernel[0], stride_h, pad_h, dilation_h)
    columns = _gradient_axis(dx[2], kernel[1], stride_w, pad_w, dilation_w)
    return _correlation_plan(dy, dx, kernel, groups, (rows, columns), (1, 1, stride_h, stride_w), itemsize)


def _correlate(
    plan: Plan, x: Array, weights: Array, transposed: bool, bias: Array, function: int, y: Array
) -> list[Launch]:
    images, size = x.shape[0], y.itemsize
    parallel = y.size * weights.size // weights.shape[3] >= dense.SERIAL
    workers = get_num_threads() if parallel else 1
    per_image = plan.bands
    while images * per_image % workers and images * per_image < 8 * workers and per_image < plan.window[6]:
        per_image += 1  # finer bands, so that the threads have equal shares
    depth, width, groups = plan.sizes[:3]
    target = Rows(y)
    flat, shared, phases = _flat(weights), size * plan.packed, len(plan.phases)
    packing = (flat, *flat.shape, transposed, depth, width, groups, plan.phases, phases, plan.taps, len(plan.taps),
               plan.packed)  # fmt: skip
    walking = (
        per_image, *dense.code(size), function, tiles.row_limit(size), x, images * x.shape[1],
        x.shape[2] * x.shape[3], target, images * y.shape[1], y.shape[2] * target.apart, bias, y.shape[3], plan.phases,
        phases, plan.runs, plan.run_rows, len(plan.run_rows), *plan.window, *plan.sizes, target.apart, plan.scratch,
    )  # fmt: skip
    panels = phases * groups * -(-width // PANEL)
    return [
        Launch(
            correlation.PACK_WEIGHTS, y.dtype, panels, packing, parallel=flat.size > PARALLEL_PACKING, shared=shared
        ),
        Launch(correlation.BANDS, y.dtype, images * per_image, walking, parallel=parallel, shared=shared,
               scratch=size * plan.scratch),
    ]  # fmt: skip


def _is_dense(x: Shape, y: Shape, weights: Shape, geometry: Geometry) -> bool:
    """Whether every position is a dense product of its own: 1 × 1, and no padding, not even behind the image."""
    return weights[:2] == (1, 1) and geometry[:4] == (1, 1, 0, 0) and geometry[6] == 1 and x[:3] == y[:3]


def _flat(images: Array) -> Array:
    """(…, C) as (positions, C), in place."""
    flat = images.reshape(-1, images.shape[-1])
    if address_of(flat) != address_of(images):
        raise ValueError(f"expected evenly spaced positions, found strides {images.strides}")
    return flat


@Planned
def forward(x: Array, weights: Array, bias: Array, geometry: Geometry, function: int, y: Array) -> list[Launch]:
    """y ← f(x ∗ weights + bias)."""
    if _is_dense(x.shape, y.shape, weights.shape, geometry):
        return dense.forward.plan(_flat(x), _flat(weights), bias, function, _flat(y))
    if winograd.suits(weights.shape, y.shape[1:3], geometry):
        return winograd.correlate(x, weights, False, geometry[2:4], geometry[6], bias, function, y)
    plan = _forward_plan(x.shape, y.shape, weights.shape[:2], geometry, x.itemsize)
    return _correlate(plan, x, weights, False, bias, function, y)


@Planned
def input_gradient(dy: Array, weights: Array, geometry: Geometry, dx: Array) -> list[Launch]:
    """dx: each input gathers from every output that read it."""
    plain = transposed.plan(dy, weights, zeros(dx.dtype, dx.shape[3]), geometry, LINEAR, dx)
    # A dense product skips zeros itself, and Winograd's is faster than lists.
    if _is_dense(dx.shape, dy.shape, weights.shape, geometry) or winograd.suits(weights.shape, dx.shape[1:3], geometry):
        return plain
    if sparse_correlation.suits(weights.shape, dx.shape, dy.shape, geometry):
        return sparse_correlation.choice(dy, sparse_correlation.input_gradient(dy, weights, geometry, dx), plain)
    return plain


@Planned
def transposed(dy: Array, weights: Array, bias: Array, geometry: Geometry, function: int, dx: Array) -> list[Launch]:
    """dx ← f(the input's gradient + bias), bias (C,): the transposed convolution."""
    if _is_dense(dx.shape, dy.shape, weights.shape, geometry):
        return dense.forward_transposed.plan(_flat(dy), _flat(weights), bias, function, _flat(dx))
    if winograd.suits(weights.shape, dx.shape[1:3], geometry):
        padding = (weights.shape[0] - 1 - geometry[2], weights.shape[1] - 1 - geometry[3])
        return winograd.correlate(dy, weights, True, padding, geometry[6], bias, function, dx)
    plan = _gradient_plan(dy.shape, dx.shape, weights.shape[:2], geometry, dy.itemsize)
    return _correlate(plan, dy, weights, True, bias, function, dx)


class WeightPlan(NamedTuple):
    """Whole numbers that the weight gradient's kernel follows; see `dlcli.kernels.weight_correlation`."""

    window: tuple[int, ...]
    sizes: tuple[int, ...]
    table: Array
    runs: int
    scratch: int


@lru_cache(maxsize=256)
def _weight_plan(x: Shape, dy: Shape, weights: Shape, geometry: Geometry, itemsize: int) -> WeightPlan:
    stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w, groups = geometry
    (images, height, width, channels), (_, out_height, out_width, filters) = x, dy
    kernel_h, kernel_w, depth, _ = weights
    span = (kernel_h - 1) * dilation_h + 1
    last = (out_width - 1) * stride_w + (kernel_w - 1) * dilation_w + 1 - pad_w
    columns = _forward_axis(out_width, kernel_w, pad_w, dilation_w)
    apart = groups > 1 or dilation_w > 1 or (depth >= CUT_ROWS and _waste(columns, stride_w, width) > CUT_WASTE)
    in_place = apart or (pad_w == 0 and last <= width)
    first, last = (0, width) if in_place else (-pad_w, last)
    row_length = (last - first) * channels

    stretches = []  # of rows of dw: group, offset in x, row, rows, kernel row, first output column, output columns
    for i in range(kernel_h):
        if not apart:  # a kernel row is contiguous in x and in dw
            stretches.append((0, 0, i * kernel_w * depth, kernel_w * depth, i, 0, out_width))
            continue
        for j, place in columns[0].taps:
            q, end = _reach(place, out_width, stride_w, width)
            for group in range(groups):
                offset = (place + q * stride_w) * channels + group * depth
                stretches.append((group, offset, (i * kernel_w + j) * depth, depth, i, q, max(0, end - q)))
    share = filters // groups
    table = [
        (group * share + n, min(PANEL, share - n), row + r0, r1 - r0, i, offset + r0, q, count)
        for n in range(0, share, PANEL)
        for group, offset, row, rows, i, q, count in sorted(stretches)
        for strips in [-(-rows // tiles.row_limit(itemsize, share - n))]
        for strip in range(strips)
        for r0, r1 in [(strip * rows // strips, (strip + 1) * rows // strips)]
    ]

    per_image = -(-out_height // max(1, POSITIONS // out_width))
    most = -(-out_height // per_image)
    image_elements = 0 if in_place else ((most - 1) * stride_h + span) * row_length
    together = max(1, POSITIONS // (out_height * out_width)) if per_image == 1 else 1
    together = min(together, images, max(1, BAND_BYTES // max(1, image_elements * itemsize)))
    packed = together * most * out_width * PANEL
    window = (height, -pad_h, span, dilation_h, first * channels, last * channels, int(in_place), out_height)
    bands = -(-images // together) * per_image
    sizes = (per_image, together, stride_h, stride_w * channels, out_width, bands, packed)
    return WeightPlan(window, sizes, np.array(table, np.int64), together * most, packed + together * image_elements)


@Planned
def weight_gradient(
    x: Array, dy: Array, geometry: Geometry, kind: int, target: Array, velocity: Array, constants: Array
) -> list[Launch]:
    """The weights' gradient, summed over images and positions in order, sent to a sink shaped as the weights."""
    shape = target.shape
    if _is_dense(x.shape, dy.shape, shape, geometry):
        return dense.weight_gradient.plan(_flat(x), _flat(dy), kind, _flat(target), _flat(velocity), constants)
    if winograd.gradient_suits(shape, dy.shape[1:3], geometry):
        return winograd.weight_gradient(x, dy, geometry[2:4], geometry[6], kind, target, velocity, constants)
    plain = _weight_correlation(x, dy, geometry, kind, target, velocity, constants)
    if sparse_correlation.suits(shape, x.shape, dy.shape, geometry):
        by_lists = sparse_correlation.weight_gradient(x, dy, geometry, kind, target, velocity, constants)
        return sparse_correlation.choice(dy, by_lists, plain)
    return plain


def _weight_correlation(
    x: Array, dy: Array, geometry: Geometry, kind: int, target: Array, velocity: Array, constants: Array
) -> list[Launch]:
    shape, size = target.shape, dy.itemsize
    plan = _weight_plan(x.shape, dy.shape, shape, geometry, size)
    offsets, units, bands = 2 * shape[0] * (1 + plan.runs), len(plan.table), plan.sizes[5]
    cut = target.size <= weight_correlation.FEW and bands >= weight_correlation.BANDS
    shares = weight_correlation.SHARES if cut else 1
    arguments = (
        tiles.address(size), x, x.shape[0] * x.shape[1], x.shape[2] * x.shape[3], dy, dy.size // shape[3], shape[3],
        plan.table, shape[0], 1 + plan.runs, kind, target, velocity, constants, zeros(dy.dtype, PANEL), size,
        *plan.window, *plan.sizes, plan.scratch, units, shares, target.size,
    )  # fmt: skip
    shared = shares * target.nbytes if kind >= UPDATE or shares > 1 else 0
    summing = Launch(
        weight_correlation.UNITS, dy.dtype, units * shares, arguments,
        parallel=dy.size * target.size // shape[3] >= dense.SERIAL, shared=shared,
        scratch=8 * offsets + size * plan.scratch,
    )  # fmt: skip
    if shares == 1:
        return [summing]
    gathering = (size, shape[3], target.size, shares, kind, target, velocity, constants)
    rows = target.size // shape[3]
    return [summing, Launch(weight_correlation.GATHER, dy.dtype, rows, gathering, parallel=False, shared=shared)]
