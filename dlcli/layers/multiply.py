"""Products of several layers' outputs: gates."""

from typing import Literal

from dlcli.kernels import joining as kernels
from dlcli.kernels.launch import Launch
from dlcli.layers.base import Arrays
from dlcli.layers.joined import Joined


class Multiply(Joined):
    """y = Π_i x_i, value by value; inputs and output have one shape."""

    type: Literal["multiply"] = "multiply"

    def forward(self, arrays: Arrays, training: bool, step: int) -> None:
        arrays.run("forward", lambda: kernels.multiply.plan(arrays.inputs, arrays.output))

    def backward(self, arrays: Arrays) -> None:
        arrays.run("backward", lambda: self._plan_backward(arrays))

    def _plan_backward(self, arrays: Arrays) -> list[Launch]:
        """dx_i = dy Π_(j ≠ i) x_j."""
        plan: list[Launch] = []
        for place, dx in enumerate(arrays.d_inputs):
            if dx is not None:
                others = arrays.inputs[:place] + arrays.inputs[place + 1 :]
                plan += kernels.multiply.plan((arrays.d_output, *others), dx)
        return plan
