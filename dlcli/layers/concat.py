"""Outputs of several layers side by side, along the channels (Szegedy et al. 2014: the end of an inception module).

An output that its layer has written where it belongs, in the larger array, is not copied, nor is its gradient.
"""

from collections.abc import Sequence
from typing import ClassVar, Literal

from dlcli.kernels import joining as kernels
from dlcli.kernels.launch import Launch, address_of
from dlcli.layers.base import Array, Arrays, Layer, Shape, ShapeError


class Concat(Layer):
    """y = [x_1, x_2, …] along the last axis, channels; the axes before it agree.

    x_i: (N, …, C_i). y: (N, …, Σ C_i).
    """

    type: Literal["concat"] = "concat"
    is_row_of_inputs: ClassVar[bool] = True

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        if not inputs:
            raise ShapeError("takes one input or more, found 0")
        if len({shape[:-1] for shape in inputs}) > 1:
            found = ", ".join(str(list(shape)) for shape in inputs)
            raise ShapeError(f"takes inputs that differ in their last axis alone, found {found}")
        return (*inputs[0][:-1], sum(shape[-1] for shape in inputs))

    def forward(self, arrays: Arrays, training: bool, step: int) -> None:
        arrays.run("forward", lambda: self._plan_forward(arrays))

    def backward(self, arrays: Arrays) -> None:
        arrays.run("backward", lambda: self._plan_backward(arrays))

    def _plan_forward(self, arrays: Arrays) -> list[Launch]:
        start, y, moves = 0, _rows(arrays.output), []
        for x in arrays.inputs:
            width = x.shape[-1]
            if address_of(x) != address_of(y) + start * y.itemsize:
                moves.append((_rows(x), 0, y, start, width))
            start += width
        return kernels.columns.plan(moves)

    def _plan_backward(self, arrays: Arrays) -> list[Launch]:
        start, dy, moves = 0, _rows(arrays.d_output), []
        for x, dx in zip(arrays.inputs, arrays.d_inputs, strict=True):
            width = x.shape[-1]
            if dx is not None:
                moves.append((dy, start, _rows(dx), 0, width))
            start += width
        return kernels.columns.plan(moves)


def _rows(array: Array) -> Array:
    """(N, …, C) as (positions, C)."""
    return array.reshape(-1, array.shape[-1])
