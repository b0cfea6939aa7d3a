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
        kernels.forward(kernels.CODES[self.function], rows(arrays.inputs[0]), rows(arrays.output))

    def backward(self, arrays: Arrays) -> None:
        dx = arrays.d_inputs[0]
        if dx is not None:
            code = kernels.CODES[self.function]
            kernels.backward(code, rows(arrays.output), rows(arrays.d_output), rows(dx))
