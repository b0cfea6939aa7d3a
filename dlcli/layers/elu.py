"""The exponential linear unit (Clevert, Unterthiner and Hochreiter 2015)."""

from typing import Literal

from dlcli.kernels import rectifiers as kernels
from dlcli.layers.base import Arrays
from dlcli.layers.elementwise import Elementwise
from dlcli.options import Positive


class Elu(Elementwise):
    """y = x where x > 0, α (e^x − 1) elsewhere, value by value."""

    type: Literal["elu"] = "elu"
    alpha: Positive = 1.0
    """α: far below zero, y is −α."""

    def forward(self, arrays: Arrays, training: bool, step: int) -> None:
        x, y = arrays.inputs[0], arrays.output
        arrays.run("forward", lambda: kernels.elu.plan(x, self.alpha, y))

    def backward(self, arrays: Arrays) -> None:
        y, dy, dx = arrays.output, arrays.d_output, arrays.d_inputs[0]
        if dx is not None:
            arrays.run("backward", lambda: kernels.elu_slope.plan(y, dy, self.alpha, dx))
