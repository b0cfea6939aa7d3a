"""The same values in another shape."""

from collections.abc import Sequence
from math import prod
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from dlcli.kernels import activation as kernels
from dlcli.layers.base import Arrays, Layer, Shape, ShapeError, one_input
from dlcli.options import Count, Listed


class Reshape(Layer):
    """x (N, …) as y (N, *shape), in the same order, the last axis fastest: rows as images, say."""

    type: Literal["reshape"] = "reshape"
    shape: Annotated[tuple[Count, ...], Listed, Field(min_length=1)]
    """The output's shape, without the batch: `[height, width, channels]`."""
    is_view: ClassVar[bool] = True

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        found = one_input(inputs)
        if prod(found) != prod(self.shape):
            values = f"{prod(found)} (shape {list(found)})"
            raise ShapeError(f"shape {list(self.shape)} takes {prod(self.shape)} values, found {values}")
        return self.shape

    def forward(self, arrays: Arrays, training: bool, step: int) -> None:
        x, y = arrays.inputs[0], arrays.output
        arrays.run("forward", lambda: kernels.forward.plan(kernels.LINEAR, x, y))

    def backward(self, arrays: Arrays) -> None:
        dy, dx = arrays.d_output, arrays.d_inputs[0]
        if dx is not None:
            arrays.run("backward", lambda: kernels.forward.plan(kernels.LINEAR, dy, dx))
