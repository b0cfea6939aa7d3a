"""An activation function as a layer of its own, eq. (1) of the survey."""

from typing import Literal

from dlcli.kernels import activation as kernels
from dlcli.layers.base import Activation as Function
from dlcli.layers.base import Arrays
from dlcli.layers.elementwise import Elementwise, rows


class Activation(Elementwise):
    """y = f(x), value by value. The same as `activation:` of the layer before it.

    sigmoid 1 / (1 + e^(−x)) · tanh · scaled_tanh 1.7159 tanh(2x/3) (LeCun) · relu max(x, 0) · softplus log(1 + e^x) ·
    linear x.
    """

    type: Literal["activation"] = "activation"
    function: Function
    """The function f."""

    def forward(self, arrays: Arrays, training: bool, step: int) -> None:
        x, y, code = arrays.inputs[0], arrays.output, kernels.CODES[self.function]
        arrays.run("forward", lambda: kernels.forward.plan(code, rows(x), rows(y)))

    def backward(self, arrays: Arrays) -> None:
        y, dy, dx = arrays.output, arrays.d_output, arrays.d_inputs[0]
        if dx is not None:
            code = kernels.CODES[self.function]
            arrays.run("backward", lambda: kernels.backward.plan(code, rows(y), rows(dy), rows(dx)))
