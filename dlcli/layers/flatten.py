"""Images as rows."""

from collections.abc import Sequence
from math import prod
from typing import ClassVar, Literal

from dlcli.kernels import activation as kernels
from dlcli.layers.base import Arrays, Layer, Shape, one_input


class Flatten(Layer):
    """x (N, …) as rows y (N, values), channels fastest. Dense layers imply it."""

    type: Literal["flatten"] = "flatten"
    is_view: ClassVar[bool] = True

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        return (prod(one_input(inputs)),)

    def forward(self, arrays: Arrays, training: bool, step: int) -> None:
        x, y = arrays.inputs[0], arrays.output
        arrays.run("forward", lambda: kernels.forward.plan(kernels.LINEAR, x, y))

    def backward(self, arrays: Arrays) -> None:
        dy, dx = arrays.d_output, arrays.d_inputs[0]
        if dx is not None:
            arrays.run("backward", lambda: kernels.forward.plan(kernels.LINEAR, dy, dx))
