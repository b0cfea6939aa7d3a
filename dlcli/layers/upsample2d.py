"""Images made larger by repetition: the mirror of pooling where it does not matter which cell won."""

from collections.abc import Sequence
from typing import Literal

from dlcli.kernels import unpool2d as kernels
from dlcli.layers.base import Arrays, Layer, Shape, one_input
from dlcli.options import Pair


class Upsample2d(Layer):
    """Each value is repeated over ``factor`` rows and columns.

    x: (N, H, W, C). y: (N, H · factor, W · factor, C).
    """

    type: Literal["upsample2d"] = "upsample2d"
    factor: Pair
    """How many rows and columns stand for one."""

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        height, width, channels = one_input(inputs, rank=3)
        return (height * self.factor[0], width * self.factor[1], channels)

    def forward(self, arrays: Arrays, training: bool, step: int) -> None:
        x, y = arrays.inputs[0], arrays.output
        arrays.run("forward", lambda: kernels.repeated.plan(x, self.factor, y))

    def backward(self, arrays: Arrays) -> None:
        dy, dx = arrays.d_output, arrays.d_inputs[0]
        if dx is not None:
            arrays.run("backward", lambda: kernels.summed.plan(dy, self.factor, dx))
