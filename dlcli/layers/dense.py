"""The dense layer, eq. (2) of the survey, and its mirror."""

from collections.abc import Sequence
from math import prod
from typing import ClassVar, Literal

from dlcli.kernels import activation as activations
from dlcli.kernels import dense as kernels
from dlcli.kernels.launch import Launch
from dlcli.layers.base import Activation, Array, Arrays, BufferSpec, Layer, ParameterSpec, Shape, one_input
from dlcli.layers.dense_transposed import DenseTransposed
from dlcli.layers.mirroring import Mirroring
from dlcli.options import Count


class Dense(Mirroring):
    """Every unit takes every input: y_j = f(b_j + Σ_i x_i w_ij). Images are taken as flat rows.

    x: (N, …) with ``inputs`` values a sample. weights: (inputs, units). y: (N, units).
    """

    type: Literal["dense"] = "dense"
    mirror_axes: ClassVar[tuple[int, ...]] = (1, 0)
    units: Count
    """Number of units."""

    @property
    def places_output(self) -> bool:
        return True

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        one_input(inputs)
        return (self.units,)

    def parameters(self, inputs: Sequence[Shape]) -> dict[str, ParameterSpec]:
        size = prod(one_input(inputs))
        return self.weight_specs((size, self.units), size, self.units)

    def saved(self, inputs: Sequence[Shape]) -> dict[str, BufferSpec]:
        return {} if self.bias else {"no_bias": BufferSpec((self.units,), per_batch=True)}

    def multiply_adds(self, inputs: Sequence[Shape]) -> int:
        return prod(one_input(inputs)) * self.units

    def reconstructor(self, inputs: Sequence[Shape], *, name: str, activation: Activation, tied: bool) -> Layer:
        size = prod(one_input(inputs))
        if tied:
            return DenseTransposed(tied_to=name, units=size, activation=activation)
        return Dense(units=size, activation=activation, initialiser=self.initialiser)

    def forward(self, arrays: Arrays, training: bool, step: int) -> None:
        arrays.run("forward", lambda: self._plan_forward(arrays))

    def backward(self, arrays: Arrays) -> None:
        d = self.slopes_and_bias_gradient(arrays)
        arrays.run("backward", lambda: self._plan_backward(arrays, d))

    def _plan_forward(self, arrays: Arrays) -> list[Launch]:
        x = arrays.inputs[0].reshape(len(arrays.output), -1)
        bias = arrays.parameters["bias"] if self.bias else arrays.saved["no_bias"]
        code = activations.CODES[self.activation]
        return kernels.forward.plan(x, arrays.parameters["weights"], bias, code, arrays.output)

    def _plan_backward(self, arrays: Arrays, d: Array) -> list[Launch]:
        x = arrays.inputs[0].reshape(len(arrays.output), -1)
        dx = arrays.d_inputs[0]
        plan: list[Launch] = []
        if dx is not None:
            plan += kernels.input_gradient.plan(d, arrays.parameters["weights"], dx.reshape(x.shape))
        if (sink := arrays.sinks["weights"]) is not None:
            plan += kernels.weight_gradient.plan(x, d, *sink)
        return plan
