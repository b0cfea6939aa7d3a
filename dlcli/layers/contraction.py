"""The contractive penalty on a layer's Jacobian (Rifai et al. 2011)."""

from collections.abc import Sequence
from math import prod
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from dlcli.initialisers.zeros import Zeros
from dlcli.kernels import activation as activations
from dlcli.kernels import contraction as kernels
from dlcli.kernels.launch import Launch
from dlcli.layers.activation import Activation
from dlcli.layers.base import Activation as Function
from dlcli.layers.base import Arrays, BufferSpec, Layer, ParameterSpec, Shape, ShapeError, one_input
from dlcli.layers.dense import Dense
from dlcli.layers.elementwise import Elementwise, rows
from dlcli.options import Count, NonNegative


class Contraction(Elementwise):
    """y = h, and the loss gains weight · ‖∂h/∂x‖², the mean over samples of the squared norm of a Jacobian.

    h = f(b + x W) is the output of a dense layer with inputs x, whose weights W are looked at:
    ‖∂h/∂x‖² = Σ_j f'_j² Σ_i w_ij². Representations then change little where inputs do. The gradient goes to W, and
    through h.
    """

    type: Literal["contraction"] = "contraction"
    is_view: ClassVar[bool] = True
    tied_to: Annotated[str, Field(min_length=1)]
    """Name of the dense layer before it, whose Jacobian is meant."""
    fan_in: Count
    """Number of inputs of that layer."""
    activation: Literal["sigmoid", "tanh"] = "sigmoid"
    """Activation function of that layer, or of an `activation` layer behind it."""
    weight: NonNegative
    """Weight of the penalty."""

    def parameters(self, inputs: Sequence[Shape]) -> dict[str, ParameterSpec]:
        units = prod(one_input(inputs))
        return {"weights": ParameterSpec((self.fan_in, units), Zeros(), self.fan_in, units, owner=self.tied_to)}

    def saved(self, inputs: Sequence[Shape]) -> dict[str, BufferSpec]:
        units = prod(one_input(inputs))
        return {
            "norms": BufferSpec((units,), per_batch=True),
            "slopes": BufferSpec((units,), per_batch=True),
            "penalty": BufferSpec((1,), np.float64, per_batch=True),
        }

    def check_tied(self, way: Sequence[Layer]) -> None:
        found = _functions(way)
        if found is None:
            raise ShapeError(f"is tied to {self.tied_to!r}; expected a dense layer whose output it takes")
        if found != [self.activation]:
            known = " and ".join(found) or "linear"
            raise ShapeError(f"is of {self.activation} units, and {self.tied_to!r} is {known}")

    @property
    def _sigmoid(self) -> bool:
        return self.activation == "sigmoid"

    def forward(self, arrays: Arrays, training: bool, step: int) -> None:
        x, y = arrays.inputs[0], arrays.output
        arrays.run("forward", lambda: activations.forward.plan(activations.LINEAR, rows(x), rows(y)))
        arrays.run("parts", lambda: self._plan_parts(arrays))

    def _plan_parts(self, arrays: Arrays) -> list[Launch]:
        norms, slopes = arrays.saved["norms"], arrays.saved["slopes"]
        return [
            *kernels.weight_norms.plan(arrays.parameters["weights"], norms),
            *kernels.mean_slopes.plan(rows(arrays.inputs[0]), self._sigmoid, slopes),
        ]

    def penalty(self, arrays: Arrays) -> float:
        norms, slopes, total = (arrays.saved[name] for name in ("norms", "slopes", "penalty"))
        arrays.run("penalty", lambda: kernels.penalty.plan(norms, slopes, total))
        return self.weight * float(total[0])

    def backward(self, arrays: Arrays) -> None:
        arrays.run("backward", lambda: self._plan_backward(arrays))

    def _plan_backward(self, arrays: Arrays) -> list[Launch]:
        h, dx, saved, plan = rows(arrays.inputs[0]), arrays.d_inputs[0], arrays.saved, []
        if dx is not None:
            plan += activations.forward.plan(activations.LINEAR, rows(arrays.d_output), rows(dx))
            plan += kernels.input_gradient.plan(h, saved["norms"], self._sigmoid, self.weight, rows(dx))
        if (sink := arrays.sinks["weights"]) is not None:
            plan += kernels.weight_gradient.plan(arrays.parameters["weights"], saved["slopes"], self.weight, *sink)
        return plan


def _functions(way: Sequence[Layer]) -> list[Function] | None:
    """What a dense layer's sums go through on their way, linear left out; None where there is any other layer."""
    changing = [layer for layer in way if not layer.is_view]
    if not changing or not isinstance(changing[0], Dense):
        return None
    found = [changing[0].activation]
    for layer in changing[1:]:
        if not isinstance(layer, Activation):
            return None
        found.append(layer.function)
    return [function for function in found if function != "linear"]
