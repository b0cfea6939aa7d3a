"""Images as rows."""

from collections.abc import Sequence
from math import prod
from typing import Literal

import numpy as np

from dlcli.layers.base import Arrays, Layer, Shape, one_input


class Flatten(Layer):
    """x (N, …) as rows y (N, values), channels fastest. Dense layers imply it."""

    type: Literal["flatten"] = "flatten"

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        return (prod(one_input(inputs)),)

    def forward(self, arrays: Arrays, training: bool, step: int) -> None:
        np.copyto(arrays.output, arrays.inputs[0].reshape(arrays.output.shape))

    def backward(self, arrays: Arrays) -> None:
        dx = arrays.d_inputs[0]
        if dx is not None:
            np.copyto(dx, arrays.d_output.reshape(dx.shape))
