"""Max pooling (survey, section 4)."""

from collections.abc import Sequence
from math import prod
from typing import Literal

import numpy as np

from dlcli.kernels import pool2d as kernels
from dlcli.layers.base import Arrays, BufferSpec, Shape
from dlcli.layers.pooled import Pooled


class MaxPool2d(Pooled):
    """The largest value of each window, channel by channel; the first of equals gets the gradient.

    x: (N, H, W, C). y: (N, OH, OW, C).
    """

    type: Literal["max_pool2d"] = "max_pool2d"

    def saved(self, inputs: Sequence[Shape]) -> dict[str, BufferSpec]:
        place = np.uint8 if prod(self.size) <= 256 else np.int32
        return {"winners": BufferSpec(self.output_shape(inputs), place)}

    def forward(self, arrays: Arrays, training: bool, step: int) -> None:
        x, y, winners = arrays.inputs[0], arrays.output, arrays.saved["winners"]
        arrays.run("forward", lambda: kernels.max_forward.plan(x, self.geometry(x.shape[1:]), y, winners))

    def backward(self, arrays: Arrays) -> None:
        dx = arrays.d_inputs[0]
        if dx is not None:
            dy, winners, geometry = arrays.d_output, arrays.saved["winners"], self.geometry
            arrays.run("backward", lambda: kernels.max_backward.plan(dy, winners, geometry(dx.shape[1:]), dx))
