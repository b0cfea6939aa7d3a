"""Winograd's small transforms, T x Tᵀ on squares of vectors, as LLVM vector code.

The element (i, j) of a square is a stretch of ``count`` numbers, channels or filters; all of them are transformed
alike. Coefficients are 0, ±1 and ±½, so that a transform is additions, and halvings, which are exact.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core.cgutils import for_range
from numba.extending import intrinsic

from dlcli.kernels import vectors
from dlcli.kernels.vectors import JIT_OFF, constant

Matrix = tuple[tuple[float, ...], ...]

# F(2 × 2, 3 × 3) of Lavin and Gray, "Fast algorithms for convolutional neural networks" (2016), section 4.1:
# y = Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A, for a kernel g of 3 × 3, inputs d of 4 × 4 and outputs y of 2 × 2.
INPUT: Matrix = ((1, 0, -1, 0), (0, 1, 1, 0), (0, -1, 1, 0), (0, 1, 0, -1))
KERNEL: Matrix = ((1, 0, 0), (0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0, 0, 1))
OUTPUT: Matrix = ((1, 1, 1, 0), (0, 1, -1, -1))


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

# Each: transform(like, count, source, source_row, source_column, out, out_row, out_column), strides in elements. The
# last vector of `output_panels` is written whole, with zeros behind ``count``.
inputs = _make_any(INPUT, False)
kernels = _make_any(KERNEL, False)
outputs = _make_any(OUTPUT, False)
output_panels = _make_any(transposed(OUTPUT), True)
kernel_gradients = _make_any(transposed(KERNEL), False)
