"""Global average pooling (Lin, Chen and Yan 2014: network in network, section 3.2)."""

from collections.abc import Sequence
from typing import Literal

from dlcli.kernels import global_pool2d as kernels
from dlcli.layers.base import Arrays, Layer, Shape, one_input


class GlobalAvgPool2d(Layer):
    """The mean of each channel over the whole image. x: (N, H, W, C). y: (N, C)."""

    type: Literal["global_avg_pool2d"] = "global_avg_pool2d"
    also_called = ("global_average_pool2d", "global_average_pooling2d")

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        return (one_input(inputs, rank=3)[2],)

    def forward(self, arrays: Arrays, training: bool, step: int) -> None:
        x, y = arrays.inputs[0], arrays.output
        arrays.run("forward", lambda: kernels.forward.plan(x, y))

    def backward(self, arrays: Arrays) -> None:
        dy, dx = arrays.d_output, arrays.d_inputs[0]
        if dx is not None:
            arrays.run("backward", lambda: kernels.backward.plan(dy, dx))
