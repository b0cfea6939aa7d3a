"""The posterior of a deep Boltzmann machine, as an input beside the samples (Salakhutdinov and Hinton 2009)."""

from collections.abc import Sequence
from math import prod
from typing import Annotated, Literal

from pydantic import Field

from dlcli.kernels.launch import Launch
from dlcli.kernels.mean_field import mean_field
from dlcli.layers.base import Arrays, BufferSpec, Layer, Shape, StateSpec, one_input
from dlcli.layers.elementwise import rows
from dlcli.options import Count, Listed


class MeanField(Layer):
    """y = [x, q], q being the second hidden layer's posterior means given x in a deep Boltzmann machine.

    The machine is the one that `pretrain` makes of the layers behind (`method: dbm`), which start from it as well: the
    first of them takes x through its weights W¹ and q through W²ᵀ, and so gets what it got in the machine. Here the
    machine stays as it was; gradients pass to x, not through q, and before pretraining q is 0.

    x: (N, …) with ``inputs`` values a sample. y: (N, inputs + units of the second layer).
    """

    type: Literal["mean_field"] = "mean_field"
    units: Annotated[tuple[Count, ...], Listed, Field(min_length=2)]
    """Units of each hidden layer of the machine, from the first up: those of the layers that `pretrain` takes."""
    steps: Annotated[int, Field(ge=0)] = 10
    """Rounds over the hidden layers, in each of which every layer takes its mean given its neighbours'."""

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        return (prod(one_input(inputs)) + self.units[1],)

    def state(self, inputs: Sequence[Shape]) -> dict[str, StateSpec]:
        sizes = [prod(one_input(inputs)), *self.units]
        specs: dict[str, StateSpec] = {}
        for place, units in enumerate(self.units, 1):
            specs |= {f"weights_{place}": StateSpec((sizes[place - 1], units)), f"bias_{place}": StateSpec((units,))}
        return specs

    def saved(self, inputs: Sequence[Shape]) -> dict[str, BufferSpec]:
        return {f"means_{place}": BufferSpec((units,)) for place, units in enumerate(self.units, 1)}

    def multiply_adds(self, inputs: Sequence[Shape]) -> int:
        sizes = [prod(one_input(inputs)), *self.units]
        products = [sizes[place] * units for place, units in enumerate(self.units)]
        return 2 * sum(products[:-1]) + products[-1] + self.steps * (2 * sum(products[1:]))

    def forward(self, arrays: Arrays, training: bool, step: int) -> None:
        x, y, size = rows(arrays.inputs[0]), arrays.output, rows(arrays.inputs[0]).shape[1]
        y[:, :size] = x
        if not arrays.state["weights_1"].any():
            y[:, size:] = 0
            return
        arrays.run("forward", lambda: self._plan(arrays))
        y[:, size:] = arrays.saved["means_2"]

    def backward(self, arrays: Arrays) -> None:
        dx = arrays.d_inputs[0]
        if dx is not None:
            rows(dx)[...] = arrays.d_output[:, : rows(dx).shape[1]]

    def _plan(self, arrays: Arrays) -> list[Launch]:
        places = range(1, len(self.units) + 1)
        weights = [arrays.state[f"weights_{place}"] for place in places]
        biases = [arrays.state[f"bias_{place}"] for place in places]
        means = [arrays.saved[f"means_{place}"] for place in places]
        return mean_field.plan(rows(arrays.inputs[0]), weights, biases, means, self.steps)
