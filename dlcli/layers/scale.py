"""A factor and a bias per channel, both learned (LeCun et al. 1998: the end of LeNet-5's subsampling)."""

from collections.abc import Sequence
from math import inf, prod
from typing import Annotated, Literal

from dlcli.initialisers.base import Initialiser
from dlcli.initialisers.constant import Constant
from dlcli.kernels import activation as activations
from dlcli.kernels import channels as kernels
from dlcli.kernels.constants import ones, zeros
from dlcli.kernels.launch import Launch
from dlcli.layers.base import Arrays, BufferSpec, ParameterSpec, Shape, one_input
from dlcli.layers.per_channel import settled
from dlcli.layers.weighted import Weighted
from dlcli.options import Also


class Scale(Weighted):
    """y_c = f(w_c x_c + b_c), for every channel c, the last axis, with one w and one b for all its positions.

    x, y: (N, …, C). weights, bias: (C,). After `avg_pool2d` it makes a subsampling layer of LeNet-5 (section II.B).
    """

    type: Literal["scale"] = "scale"
    initialiser: Annotated[Initialiser | None, Also("initializer")] = None
    """How the factors start; by default at 1."""

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        return one_input(inputs)

    def parameters(self, inputs: Sequence[Shape]) -> dict[str, ParameterSpec]:
        specs = self.weight_specs(one_input(inputs)[-1:], 1, 1)
        if self.initialiser is None:
            weights = specs["weights"]
            specs["weights"] = ParameterSpec(weights.shape, Constant(value=1.0), 1, 1, self.weights_options)
        return specs

    def saved(self, inputs: Sequence[Shape]) -> dict[str, BufferSpec]:
        return {"sums": BufferSpec((2, one_input(inputs)[-1]), per_batch=True)}

    def multiply_adds(self, inputs: Sequence[Shape]) -> int:
        return prod(one_input(inputs))

    def forward(self, arrays: Arrays, training: bool, step: int) -> None:
        arrays.run("forward", lambda: self._plan_forward(arrays))

    def backward(self, arrays: Arrays) -> None:
        arrays.run("backward", lambda: self._plan_backward(arrays))

    def _plan_forward(self, arrays: Arrays) -> list[Launch]:
        x, y, factor = arrays.inputs[0], arrays.output, arrays.parameters["weights"]
        none = zeros(y.dtype, factor.size)
        bias = arrays.parameters["bias"] if self.bias else none
        return kernels.affine.plan(x, none, factor, bias, activations.CODES[self.activation], y)

    def _plan_backward(self, arrays: Arrays) -> list[Launch]:
        x, d, dx = arrays.inputs[0], arrays.d_output, arrays.d_inputs[0]
        factor, totals = arrays.parameters["weights"], arrays.saved["sums"]
        none = zeros(d.dtype, factor.size)
        plan = activations.backward.plan(activations.CODES[self.activation], arrays.output, d, d)
        if dx is not None:
            plan += kernels.affine.plan(d, none, factor, none, activations.LINEAR, dx)
        sinks = arrays.sinks["bias"] if self.bias else None, arrays.sinks["weights"]
        if any(sinks):
            plan += kernels.sums.plan(d, x, none, inf, ones(d.dtype, factor.size), totals)
        return plan + settled(totals, sinks)
