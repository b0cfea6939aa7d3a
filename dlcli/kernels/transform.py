"""Winograd's small transforms, T x Tᵀ on squares of vectors, as LLVM vector code.

The element (i, j) of a square is a stretch of ``count`` numbers, channels or filters; all of them are transformed
alike.

A scheme F(m × m, r × r) has m + r − 1 points: a_0 = 0, 1, −1, … and infinity (Cook and Toom; Winograd 1980; Lavin and
Gray, "Fast algorithms for convolutional neural networks", 2016). With f_j = Π_{i≠j} (a_j − a_i), in one dimension,

    y = Aᵀ [(G g) ⊙ (Bᵀ d)]:   Aᵀ_kj = a_j^k,   G_jk = a_j^k / f_j,   Bᵀ_j = the coefficients of Π_{i≠j} (x − a_i),

and for the point at infinity the highest power of each alone, where Bᵀ has Π_i (x − a_i). Both signs of a row of G and
Bᵀ may be turned, so that f_j > 0.
"""

from fractions import Fraction
from typing import Any, NamedTuple

from llvmlite import ir
from numba import njit, types
from numba.core.cgutils import for_range
from numba.extending import intrinsic

from dlcli.kernels import vectors
from dlcli.kernels.vectors import JIT_OFF, constant

Matrix = tuple[tuple[float, ...], ...]

# −½ and 2 rather than ±2 halve the rounding error (Barabasz et al., "Error analysis and improving the accuracy of
# Winograd convolution for deep neural networks", 2020).
POINTS = (0, 1, -1, 2, Fraction(-1, 2))


class Scheme(NamedTuple):
    """The matrices of F(m × m, r × r): Bᵀ, G and Aᵀ."""

    inputs: Matrix
    kernels: Matrix
    outputs: Matrix


def scheme(m: int, r: int) -> Scheme:
    """The scheme of ``m`` outputs and ``r`` kernel elements, in exact fractions until the end."""
    points = [Fraction(a) for a in POINTS[: m + r - 2]]
    inputs, kernels = [], []
    for j, a in enumerate(points):
        others = points[:j] + points[j + 1 :]
        f, polynomial = Fraction(1), [Fraction(1)]
        for b in others:
            f *= a - b
            polynomial = _times(polynomial, b)
        sign = 1 if f > 0 else -1
        inputs.append([sign * c for c in polynomial] + [Fraction(0)])
        kernels.append([sign * a**k / f for k in range(r)])
    last = [Fraction(1)]
    for b in points:
        last = _times(last, b)
    inputs.append(last)
    kernels.append([Fraction(int(k == r - 1)) for k in range(r)])
    outputs = [[a**k for a in points] + [Fraction(int(k == m - 1))] for k in range(m)]
    return Scheme(*(tuple(tuple(map(float, row)) for row in matrix) for matrix in (inputs, kernels, outputs)))


def _times(polynomial: list[Fraction], root: Fraction) -> list[Fraction]:
    """Coefficients, lowest first, of polynomial · (x − root)."""
    raised = [Fraction(0), *polynomial]
    return [high - root * low for high, low in zip(raised, [*polynomial, Fraction(0)], strict=True)]


def transposed(matrix: Matrix) -> Matrix:
    """Columns as rows."""
    return tuple(zip(*matrix, strict=True))


def _combine(builder: ir.IRBuilder, row: tuple[float, ...], values: list[ir.Value]) -> ir.Value:
    """Σ_i row_i · values_i, in order."""
    total = None
    for coefficient, value in zip(row, values, strict=True):
        if not coefficient:
            continue
        if abs(coefficient) != 1:
            scale = ir.Constant(value.type, [abs(coefficient)] * value.type.count)
            value = builder.fmul(value, scale)
        if total is None:
            total = value if coefficient > 0 else builder.fneg(value)
        else:
            total = builder.fadd(total, value) if coefficient > 0 else builder.fsub(total, value)
    return total


def _make(matrix: Matrix, padded: bool) -> Any:
    size_out, size_in = len(matrix), len(matrix[0])

    def transform(typing, like, count, source, source_row, source_column, out, out_row, out_column):
        itemsize = like.bitwidth // 8
        lanes = vectors.lanes_of(itemsize)

        def codegen(context, builder, signature, arguments):
            _, count, source, source_row, source_column, out, out_row, out_column = arguments
            source, out = (vectors.pointer(builder, x, itemsize) for x in (source, out))

            def place(base: ir.Value, row: ir.Value, column: ir.Value, i: int, j: int, n: ir.Value) -> ir.Value:
                offset = builder.add(builder.mul(row, constant(i)), builder.mul(column, constant(j)))
                return builder.gep(base, [builder.add(offset, n)])

            def at(n: ir.Value, mask: ir.Value | None, rest: ir.Value) -> None:
                square = [
                    [
                        vectors.load(builder, place(source, source_row, source_column, i, j, n), lanes, mask)
                        for j in range(size_in)
                    ]
                    for i in range(size_in)
                ]
                columns = [[_combine(builder, row, [line[j] for line in square]) for j in range(size_in)]
                           for row in matrix]  # fmt: skip
                result = [_combine(builder, row, line) for line in columns for row in matrix]
                places = [place(out, out_row, out_column, i, j, n) for i in range(size_out) for j in range(size_out)]
                if mask is None or padded:
                    for value, target in zip(result, places, strict=True):
                        vectors.store(builder, value, target)
                else:
                    vectors.store_first(builder, result, places, rest, mask)

            whole, rest = builder.sdiv(count, constant(lanes)), builder.srem(count, constant(lanes))
            with for_range(builder, whole) as loop:
                at(builder.mul(loop.index, constant(lanes)), None, rest)
            with builder.if_then(builder.icmp_signed(">", rest, constant(0))):
                at(builder.mul(whole, constant(lanes)), vectors.first_lanes(builder, rest, lanes), rest)
            return context.get_dummy_value()

        return types.void(like, *[types.intp] * 7), codegen

    return intrinsic(transform)


def _combine_twin(row: tuple[float, ...], values: list[Any]) -> Any:
    total = None
    for coefficient, value in zip(row, values, strict=True):
        if not coefficient:
            continue
        term = value if abs(coefficient) == 1 else value * value.dtype.type(abs(coefficient))
        if total is None:
            total = term if coefficient > 0 else -term
        else:
            total = total + term if coefficient > 0 else total - term
    return total


def _make_twin(matrix: Matrix, padded: bool) -> Any:
    def transform(like, count, source, source_row, source_column, out, out_row, out_column):
        size, (rows, columns) = like.itemsize, (len(matrix), len(matrix[0]))

        def stretch(start: int) -> Any:
            return vectors.view(start, (1, count), (count, 1), size)[0]

        square = [
            [stretch(source + size * (i * source_row + j * source_column)).copy() for j in range(columns)]
            for i in range(columns)
        ]
        lines = [[_combine_twin(row, [line[j] for line in square]) for j in range(columns)] for row in matrix]
        for i, line in enumerate(lines):
            for j, row in enumerate(matrix):
                stretch(out + size * (i * out_row + j * out_column))[:] = _combine_twin(row, line)
        if padded:
            lanes = vectors.lanes_of(size)
            for i in range(rows):
                for j in range(rows):
                    start = out + size * (i * out_row + j * out_column + count)
                    vectors.view(start, (1, -count % lanes), (max(1, -count % lanes), 1), size)[:] = 0

    return transform


_make_any = _make_twin if JIT_OFF else _make

# The schemes in use, (m, r): one after the other by their number.
SCHEMES = ((2, 3), (2, 5), (4, 3))
F23, F25, F43 = (scheme(m, r) for m, r in SCHEMES)
_INPUTS_23, _INPUTS_25, _INPUTS_43 = (_make_any(x.inputs, False) for x in (F23, F25, F43))
_KERNELS_23, _KERNELS_25, _KERNELS_43 = (_make_any(x.kernels, False) for x in (F23, F25, F43))
_OUTPUTS_23, _OUTPUTS_25, _OUTPUTS_43 = (_make_any(x.outputs, False) for x in (F23, F25, F43))
_PANELS_23, _PANELS_25, _PANELS_43 = (_make_any(transposed(x.outputs), True) for x in (F23, F25, F43))
_TAPS_23, _TAPS_25, _TAPS_43 = (_make_any(transposed(x.kernels), False) for x in (F23, F25, F43))


@njit
def inputs(scheme, like, count, source, source_row, source_column, out, out_row, out_column):
    """Bᵀ d B: a square of the input. Strides count elements."""
    if scheme == 0:
        _INPUTS_23(like, count, source, source_row, source_column, out, out_row, out_column)
    elif scheme == 1:
        _INPUTS_25(like, count, source, source_row, source_column, out, out_row, out_column)
    else:
        _INPUTS_43(like, count, source, source_row, source_column, out, out_row, out_column)


@njit
def kernels(scheme, like, count, source, source_row, source_column, out, out_row, out_column):
    """G g Gᵀ: the kernel. Strides count elements."""
    if scheme == 0:
        _KERNELS_23(like, count, source, source_row, source_column, out, out_row, out_column)
    elif scheme == 1:
        _KERNELS_25(like, count, source, source_row, source_column, out, out_row, out_column)
    else:
        _KERNELS_43(like, count, source, source_row, source_column, out, out_row, out_column)


@njit
def outputs(scheme, like, count, source, source_row, source_column, out, out_row, out_column):
    """Aᵀ p A: a square of the output from its products. Strides count elements."""
    if scheme == 0:
        _OUTPUTS_23(like, count, source, source_row, source_column, out, out_row, out_column)
    elif scheme == 1:
        _OUTPUTS_25(like, count, source, source_row, source_column, out, out_row, out_column)
    else:
        _OUTPUTS_43(like, count, source, source_row, source_column, out, out_row, out_column)


@njit
def output_panels(scheme, like, count, source, source_row, source_column, out, out_row, out_column):
    """A dy Aᵀ; the last vector is written whole, with zeros behind ``count``. Strides count elements."""
    if scheme == 0:
        _PANELS_23(like, count, source, source_row, source_column, out, out_row, out_column)
    elif scheme == 1:
        _PANELS_25(like, count, source, source_row, source_column, out, out_row, out_column)
    else:
        _PANELS_43(like, count, source, source_row, source_column, out, out_row, out_column)


@njit
def kernel_gradients(scheme, like, count, source, source_row, source_column, out, out_row, out_column):
    """Gᵀ p G: the gradient of the kernel from its products. Strides count elements."""
    if scheme == 0:
        _TAPS_23(like, count, source, source_row, source_column, out, out_row, out_column)
    elif scheme == 1:
        _TAPS_25(like, count, source, source_row, source_column, out, out_row, out_column)
    else:
        _TAPS_43(like, count, source, source_row, source_column, out, out_row, out_column)
