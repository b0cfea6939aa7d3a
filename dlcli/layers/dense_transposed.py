"""The mirror of a dense layer: its weights, transposed (survey, fig. 4)."""

from collections.abc import Sequence
from math import prod
from typing import Annotated, Literal

from pydantic import Field

from dlcli.initialisers.base import Initialiser
from dlcli.initialisers.constant import Constant
from dlcli.initialisers.zeros import Zeros
from dlcli.kernels import activation as activations
from dlcli.kernels import dense as kernels
from dlcli.kernels.launch import Launch
from dlcli.layers.base import (
    Activation,
    Array,
    Arrays,
    BufferSpec,
    Layer,
    MultiplierOptions,
    ParameterSpec,
    Shape,
    one_input,
)
from dlcli.layers.weighted import slopes_and_bias_gradient
from dlcli.options import Also, Count


class DenseTransposed(Layer):
    """x' = f(c + h Wᵀ) with the weights W of another dense layer: an autoencoder's tied decoder.

    h: (N, …) with as many values a sample as the other layer has units. x': (N, units).
    """

    type: Literal["dense_transposed"] = "dense_transposed"
    tied_to: Annotated[str, Field(min_length=1)]
    """Name of the dense layer whose weights are used."""
    units: Count
    """Number of outputs: as many as the other layer has inputs."""
    activation: Activation = "linear"
    """Activation function of the outputs."""
    bias_initialiser: Annotated[Initialiser, Also("bias_initializer")] = Constant(value=0.0)
    """How the bias starts."""
    bias_options: MultiplierOptions = MultiplierOptions()
    """Factors on the learning rate and the decay of the bias."""

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        one_input(inputs)
        return (self.units,)

    def parameters(self, inputs: Sequence[Shape]) -> dict[str, ParameterSpec]:
        size = prod(one_input(inputs))
        weights = ParameterSpec((self.units, size), Zeros(), size, self.units, owner=self.tied_to)
        bias = ParameterSpec((self.units,), self.bias_initialiser, size, self.units, self.bias_options)
        return {"weights": weights, "bias": bias}

    def saved(self, inputs: Sequence[Shape]) -> dict[str, BufferSpec]:
        return {"no_bias": BufferSpec((prod(one_input(inputs)),), per_batch=True)}

    def multiply_adds(self, inputs: Sequence[Shape]) -> int:
        return prod(one_input(inputs)) * self.units

    def forward(self, arrays: Arrays, training: bool, step: int) -> None:
        arrays.run("forward", lambda: self._plan_forward(arrays))

    def backward(self, arrays: Arrays) -> None:
        d = slopes_and_bias_gradient(arrays, self.activation)
        arrays.run("backward", lambda: self._plan_backward(arrays, d))

    def _plan_forward(self, arrays: Arrays) -> list[Launch]:
        h = arrays.inputs[0].reshape(len(arrays.output), -1)
        weights, bias = arrays.parameters["weights"], arrays.parameters["bias"]
        code = activations.CODES[self.activation]
        return kernels.forward_transposed.plan(h, weights, bias, code, arrays.output)

    def _plan_backward(self, arrays: Arrays, d: Array) -> list[Launch]:
        h = arrays.inputs[0].reshape(len(arrays.output), -1)
        dh = arrays.d_inputs[0]
        plan: list[Launch] = []
        if dh is not None:
            weights, no_bias = arrays.parameters["weights"], arrays.saved["no_bias"]
            plan += kernels.forward.plan(d, weights, no_bias, activations.LINEAR, dh.reshape(h.shape))
        if (sink := arrays.sinks["weights"]) is not None:
            plan += kernels.weight_gradient.plan(d, h, *sink)
        return plan
