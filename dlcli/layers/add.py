"""Sums of several layers' outputs (He et al. 2015: the end of a residual block)."""

from typing import Literal

from dlcli.kernels import activation as activations
from dlcli.kernels import joining as kernels
from dlcli.kernels.launch import Launch
from dlcli.layers.base import Activation, Arrays
from dlcli.layers.joined import Joined


class Add(Joined):
    """y = f(Σ_i x_i), value by value; inputs and output have one shape."""

    type: Literal["add"] = "add"
    activation: Activation = "linear"
    """Activation function f, applied to the sum."""

    def forward(self, arrays: Arrays, training: bool, step: int) -> None:
        code = activations.CODES[self.activation]
        arrays.run("forward", lambda: kernels.add.plan(code, arrays.inputs, arrays.output))

    def backward(self, arrays: Arrays) -> None:
        arrays.run("backward", lambda: self._plan_backward(arrays))

    def _plan_backward(self, arrays: Arrays) -> list[Launch]:
        code, y, dy = activations.CODES[self.activation], arrays.output, arrays.d_output
        wanted = [dx for dx in arrays.d_inputs if dx is not None]
        if not wanted:
            return []
        plan = activations.backward.plan(code, y, dy, wanted[0])
        for dx in wanted[1:]:
            plan += activations.forward.plan(activations.LINEAR, wanted[0], dx)
        return plan
