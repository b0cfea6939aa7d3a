"""Maxout (Goodfellow et al. 2013)."""

from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from dlcli.kernels import rectifiers as kernels
from dlcli.layers.base import Arrays, BufferSpec, Layer, Shape, ShapeError, one_input


class Maxout(Layer):
    """y_j = the largest of x_jk … x_jk+k−1, for k = `pieces`: neighbouring channels, the last axis, compete.

    x: (N, …, k · C). y: (N, …, C). After a linear dense or convolution layer it makes the paper's maxout unit. The
    first of equals gets the gradient.
    """

    type: Literal["maxout"] = "maxout"
    pieces: Annotated[int, Field(ge=2, le=256)]
    """k, how many channels make one."""

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        shape = one_input(inputs)
        if shape[-1] % self.pieces:
            raise ShapeError(f"takes a multiple of {self.pieces} channels (pieces), found {shape[-1]}")
        return (*shape[:-1], shape[-1] // self.pieces)

    def saved(self, inputs: Sequence[Shape]) -> dict[str, BufferSpec]:
        return {"winners": BufferSpec(self.output_shape(inputs), np.uint8)}

    def forward(self, arrays: Arrays, training: bool, step: int) -> None:
        x, y, winners = arrays.inputs[0], arrays.output, arrays.saved["winners"]
        arrays.run("forward", lambda: kernels.largest.plan(x, self.pieces, y, winners))

    def backward(self, arrays: Arrays) -> None:
        dy, winners, dx = arrays.d_output, arrays.saved["winners"], arrays.d_inputs[0]
        if dx is not None:
            arrays.run("backward", lambda: kernels.to_winners.plan(dy, winners, self.pieces, dx))
