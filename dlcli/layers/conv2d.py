"""The convolution layer: eq. (2) with local, shared weights (survey, section 4)."""

from collections.abc import Sequence
from math import prod
from typing import Literal

from pydantic import model_validator

from dlcli.kernels import activation as activations
from dlcli.kernels import conv2d as kernels
from dlcli.kernels.launch import Launch
from dlcli.layers.base import Array, Arrays, BufferSpec, ParameterSpec, Shape, ShapeError, one_input
from dlcli.layers.geometry import Padding, side, window
from dlcli.layers.weighted import Weighted
from dlcli.options import Count, Pair


class Conv2d(Weighted):
    """Cross-correlation (the kernel is not flipped) over rows and columns, channels last.

    x: (N, H, W, C). weights: (kernel_h, kernel_w, C / groups, filters). y: (N, OH, OW, filters).
    """

    type: Literal["conv2d"] = "conv2d"
    filters: Count
    """Number of filters: the output's channels."""
    kernel_size: Pair
    """Height and width of the kernel."""
    stride: Pair = (1, 1)
    """Step between neighbouring outputs."""
    padding: Padding = "valid"
    """Zeros around the image: `valid` (none), `same` (output ⌈size / stride⌉), or how many on each side."""
    dilation: Pair = (1, 1)
    """Distance between neighbouring cells of the kernel."""
    groups: Count = 1
    """Channels and filters are cut into so many groups that don't see each other (AlexNet has 2)."""

    @model_validator(mode="after")
    def _filters_in_groups(self) -> "Conv2d":
        if self.filters % self.groups:
            raise ValueError(f"{self.filters} filters cannot be cut into {self.groups} groups")
        return self

    def _windows(self, inputs: Sequence[Shape]) -> tuple[tuple[int, int], tuple[int, int]]:
        """(output size, leading padding) of rows and of columns."""
        shape = one_input(inputs, rank=3)
        rows, columns = (
            window(
                axis, shape[i], self.kernel_size[i], self.stride[i], side(self.padding, i), dilation=self.dilation[i]
            )
            for i, axis in enumerate(("rows", "columns"))
        )
        return rows, columns

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        rows, columns = self._windows(inputs)
        if inputs[0][2] % self.groups:
            raise ShapeError(f"an input of {inputs[0][2]} channels cannot be cut into {self.groups} groups")
        return (rows[0], columns[0], self.filters)

    def parameters(self, inputs: Sequence[Shape]) -> dict[str, ParameterSpec]:
        channels = one_input(inputs, rank=3)[2] // self.groups
        area = prod(self.kernel_size)
        shape = (*self.kernel_size, channels, self.filters)
        return self.weight_specs(shape, area * channels, area * self.filters // self.groups)

    def saved(self, inputs: Sequence[Shape]) -> dict[str, BufferSpec]:
        return {} if self.bias else {"no_bias": BufferSpec((self.filters,), per_batch=True)}

    def multiply_adds(self, inputs: Sequence[Shape]) -> int:
        channels = one_input(inputs, rank=3)[2] // self.groups
        return prod(self.output_shape(inputs)) * prod(self.kernel_size) * channels

    def _geometry(self, arrays: Arrays) -> kernels.Geometry:
        rows, columns = self._windows([arrays.inputs[0].shape[1:]])
        return (*self.stride, rows[1], columns[1], *self.dilation, self.groups)

    def forward(self, arrays: Arrays, training: bool, step: int) -> None:
        arrays.run("forward", lambda: self._plan_forward(arrays))

    def backward(self, arrays: Arrays) -> None:
        d = self.slopes_and_bias_gradient(arrays)
        arrays.run("backward", lambda: self._plan_backward(arrays, d))

    def _plan_forward(self, arrays: Arrays) -> list[Launch]:
        weights = arrays.parameters["weights"]
        bias = arrays.parameters["bias"] if self.bias else arrays.saved["no_bias"]
        code = activations.CODES[self.activation]
        return kernels.forward.plan(arrays.inputs[0], weights, bias, self._geometry(arrays), code, arrays.output)

    def _plan_backward(self, arrays: Arrays, d: Array) -> list[Launch]:
        """``d``: the gradient before the activation function, a row for every position."""
        geometry, dx = self._geometry(arrays), arrays.d_inputs[0]
        plan: list[Launch] = []
        images = d.reshape(arrays.output.shape)
        if dx is not None:
            plan += kernels.input_gradient.plan(images, arrays.parameters["weights"], geometry, dx)
        if (sink := arrays.sinks["weights"]) is not None:
            plan += kernels.weight_gradient.plan(arrays.inputs[0], images, geometry, *sink)
        return plan
