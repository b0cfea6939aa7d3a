"""Radial basis function units: LeNet-5's output layer (LeCun et al. 1998, section II.B)."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, ValidationInfo, field_validator, model_validator

from dlcli import random
from dlcli.initialisers.distributions import Value
from dlcli.kernels import rbf as kernels
from dlcli.kernels.launch import Launch
from dlcli.layers.base import Array, Arrays, Layer, MultiplierOptions, ParameterSpec, Shape, ShapeError, one_input
from dlcli.layers.digit_codes import HEIGHT, WIDTH, digit_codes
from dlcli.layers.elementwise import rows
from dlcli.options import Count, Listed, Positive

Code = Annotated[tuple[Value, ...], Listed, Field(min_length=1)]
Given = Annotated[tuple[Code, ...], Listed, Field(min_length=1)]


class Rbf(Layer):
    """Every unit compares the inputs with a code: y_j = −γ Σ_i (x_i − w_ij)², 0 where they agree, else negative.

    x: (N, …) with ``inputs`` values a sample. y: (N, units). w: (inputs, units), parameters only if `trainable`.

    The paper's eq. (7) has the other sign, a penalty, and γ = 1. Here, as everywhere, the largest output wins: it has
    the nearest code. `softmax_cross_entropy` on these outputs is the paper's eq. (9), without its rubbish class's
    constant e^−j. That keeps the inputs near their codes; a small γ does too, since the loss then asks for larger
    differences.
    """

    type: Literal["rbf"] = "rbf"
    units: Count
    """Number of units."""
    codes: Literal["digits", "random"] | Given = "digits"
    """Each unit's code: `digits` (LeNet-5's: 84 inputs as 7 × 12 pixels, ±1, of the digits 0 to 9), `random` (−1 or 1,
    equally likely), or a list of numbers for each unit."""
    code_seed: Annotated[int, Field(ge=0)] = 0
    """Seed of random codes, which are the same whatever the experiment's seed."""
    gamma: Positive = 1.0
    """γ, factor on the squared distances: the units are logarithms of Gaussians of variance 1 / (2γ)."""
    trainable: bool = False
    """Whether the codes are where weights start, rather than constants."""
    weights_options: MultiplierOptions = MultiplierOptions()
    """Factors on the learning rate and the decay of trainable codes."""

    @field_validator("codes")
    @classmethod
    def _a_code_for_each_unit(cls, codes: str | Given, info: ValidationInfo) -> str | Given:
        units = info.data.get("units")
        if not isinstance(codes, str):
            if units is not None and len(codes) != units:
                raise ValueError(f"found {len(codes)} codes, expected {units}, one for each unit")
            lengths = {len(code) for code in codes}
            if len(lengths) > 1:
                raise ValueError(f"found codes of {min(lengths)} and {max(lengths)} numbers, expected equal lengths")
        return codes

    @model_validator(mode="after")
    def _digits_suffice(self) -> "Rbf":
        most = len(digit_codes())
        if self.codes == "digits" and self.units > most:
            raise ValueError(f"found {self.units} units, expected at most {most}, or other codes than digits")
        return self

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        size = prod(one_input(inputs))
        if self.codes == "digits" and size != HEIGHT * WIDTH:
            raise ShapeError(f"takes {HEIGHT * WIDTH} inputs, the pixels of a digit's code, found {size}")
        if not isinstance(self.codes, str) and size != len(self.codes[0]):
            raise ShapeError(f"has codes of {len(self.codes[0])} numbers, found {size} inputs")
        return (self.units,)

    def parameters(self, inputs: Sequence[Shape]) -> dict[str, ParameterSpec]:
        self.output_shape(inputs)
        size = prod(inputs[0])
        if not self.trainable:
            return {}
        start = _Codes(layer=self)
        return {"weights": ParameterSpec((size, self.units), start, size, self.units, self.weights_options)}

    def multiply_adds(self, inputs: Sequence[Shape]) -> int:
        return prod(one_input(inputs)) * self.units

    def constants(self, inputs: int) -> Array:
        """(inputs, units) float64: the codes, or where they start."""
        if self.codes == "random":
            bits = random.generator(self.code_seed, "codes").integers(0, 2, (inputs, self.units))
            return 2.0 * bits - 1.0
        codes = digit_codes() if isinstance(self.codes, str) else self.codes
        return np.array(codes[: self.units]).T

    def forward(self, arrays: Arrays, training: bool, step: int) -> None:
        arrays.run("forward", lambda: self._plan_forward(arrays))

    def backward(self, arrays: Arrays) -> None:
        arrays.run("backward", lambda: self._plan_backward(arrays))

    def _weights(self, arrays: Arrays) -> Array:
        """Parameters, or constants that the launches keep."""
        if self.trainable:
            return arrays.parameters["weights"]
        return np.ascontiguousarray(self.constants(rows(arrays.inputs[0]).shape[1]), arrays.output.dtype)

    def _plan_forward(self, arrays: Arrays) -> list[Launch]:
        return kernels.forward.plan(rows(arrays.inputs[0]), self._weights(arrays), self.gamma, arrays.output)

    def _plan_backward(self, arrays: Arrays) -> list[Launch]:
        x, weights, dy, dx = rows(arrays.inputs[0]), self._weights(arrays), arrays.d_output, arrays.d_inputs[0]
        plan: list[Launch] = []
        if dx is not None:
            plan += kernels.input_gradient.plan(x, weights, self.gamma, dy, rows(dx))
        if self.trainable and (sink := arrays.sinks["weights"]) is not None:
            plan += kernels.weight_gradient.plan(x, weights, self.gamma, dy, *sink)
        return plan


@dataclass(frozen=True)
class _Codes:
    """The initialiser of trainable codes: they start as the layer's constants."""

    layer: Rbf

    def fill(self, array: Array, fan_in: int, fan_out: int, rng: np.random.Generator) -> None:
        array[...] = self.layer.constants(len(array))
