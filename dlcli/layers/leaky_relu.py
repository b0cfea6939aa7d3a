"""The leaky rectifier (Maas, Hannun and Ng 2013)."""

from typing import Literal

import numpy as np

from dlcli.kernels import rectifiers as kernels
from dlcli.layers.base import Array, Arrays
from dlcli.layers.elementwise import Elementwise


class LeakyRelu(Elementwise):
    """y = x where x > 0, slope · x elsewhere, value by value."""

    type: Literal["leaky_relu"] = "leaky_relu"
    slope: float = 0.01
    """Slope below zero."""

    def forward(self, arrays: Arrays, training: bool, step: int) -> None:
        x, y = arrays.inputs[0], arrays.output
        arrays.run("forward", lambda: kernels.leaky.plan(x, self._slopes(arrays), x, y))

    def backward(self, arrays: Arrays) -> None:
        x, dy, dx = arrays.inputs[0], arrays.d_output, arrays.d_inputs[0]
        if dx is not None:
            arrays.run("backward", lambda: kernels.leaky.plan(x, self._slopes(arrays), dy, dx))

    def _slopes(self, arrays: Arrays) -> Array:
        return np.full(1, self.slope, arrays.output.dtype)
