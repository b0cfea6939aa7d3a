"""The dense layer, eq. (2) of the survey, and its mirror."""

from collections.abc import Sequence
from math import prod
from typing import Literal

from dlcli.kernels import activation as activations
from dlcli.kernels import dense as kernels
from dlcli.kernels.dense import column_sums
from dlcli.layers.base import Activation, Arrays, BufferSpec, Layer, ParameterSpec, Shape, one_input
from dlcli.layers.dense_transposed import DenseTransposed
from dlcli.layers.weighted import Weighted
from dlcli.options import Count


class Dense(Weighted):
    """Every unit takes every input: y_j = f(b_j + Σ_i x_i w_ij). Images are taken as flat rows.

    x: (N, …) with ``inputs`` values a sample. weights: (inputs, units). y: (N, units).
    """

    type: Literal["dense"] = "dense"
    units: Count
    """Number of units."""

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
        x = arrays.inputs[0].reshape(len(arrays.output), -1)
        weights = arrays.parameters["weights"]
        bias = arrays.parameters["bias"] if self.bias else arrays.saved["no_bias"]
        kernels.forward(x, weights, bias, activations.CODES[self.activation], arrays.output)

    def backward(self, arrays: Arrays) -> None:
        x = arrays.inputs[0].reshape(len(arrays.output), -1)
        d = self.pre_activation_gradient(arrays)
        dx = arrays.d_inputs[0]
        if dx is not None:
            kernels.input_gradient(d, arrays.parameters["weights"], dx.reshape(x.shape))
        if (sink := arrays.sinks["weights"]) is not None:
            kernels.weight_gradient(x, d, *sink)
        if self.bias and (sink := arrays.sinks["bias"]) is not None:
            column_sums(d, *sink)
