"""The locally connected layer: a convolution whose weights are not shared between positions."""

from collections.abc import Sequence
from math import prod
from typing import Literal

from dlcli.kernels import activation as activations
from dlcli.kernels import locally_connected as kernels
from dlcli.kernels.launch import Launch
from dlcli.layers.base import Array, Arrays, BufferSpec, ParameterSpec, Shape, one_input
from dlcli.layers.geometry import Padding, windows
from dlcli.layers.weighted import Weighted
from dlcli.options import Count, Pair


class LocallyConnected2d(Weighted):
    """Cross-correlation with kernels of each position's own, channels last (LeCun 1989's Net-3; Taigman et al. 2014).

    x: (N, H, W, C). weights: (OH, OW, kernel_h, kernel_w, C, filters). bias: (OH, OW, filters).
    y: (N, OH, OW, filters). A filter looks for another feature at each position. Weights that read the padding count
    as parameters, but have no gradient.
    """

    type: Literal["locally_connected2d"] = "locally_connected2d"
    filters: Count
    """Number of filters at each position: the output's channels."""
    kernel_size: Pair
    """Height and width of the kernels."""
    stride: Pair = (1, 1)
    """Step between neighbouring outputs."""
    padding: Padding = "valid"
    """Zeros around the image: `valid` (none), `same` (output ⌈size / stride⌉), or how many on each side."""

    def _windows(self, inputs: Sequence[Shape]) -> tuple[tuple[int, int], tuple[int, int]]:
        """(output size, leading padding) of rows and of columns."""
        return windows(one_input(inputs, rank=3), self.kernel_size, self.stride, self.padding)

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        rows, columns = self._windows(inputs)
        return (rows[0], columns[0], self.filters)

    def parameters(self, inputs: Sequence[Shape]) -> dict[str, ParameterSpec]:
        out, area, channels = self.output_shape(inputs), prod(self.kernel_size), inputs[0][2]
        shape = (*out[:2], *self.kernel_size, channels, self.filters)
        return self.weight_specs(shape, area * channels, area * self.filters, out)

    def saved(self, inputs: Sequence[Shape]) -> dict[str, BufferSpec]:
        return {} if self.bias else {"no_bias": BufferSpec(self.output_shape(inputs), per_batch=True)}

    def multiply_adds(self, inputs: Sequence[Shape]) -> int:
        return prod(self.output_shape(inputs)) * prod(self.kernel_size) * inputs[0][2]

    def _geometry(self, arrays: Arrays) -> kernels.Geometry:
        rows, columns = self._windows([arrays.inputs[0].shape[1:]])
        return (*self.stride, rows[1], columns[1])

    def forward(self, arrays: Arrays, training: bool, step: int) -> None:
        arrays.run("forward", lambda: self._plan_forward(arrays))

    def backward(self, arrays: Arrays) -> None:
        d = self.slopes_and_bias_gradient(arrays)
        arrays.run("backward", lambda: self._plan_backward(arrays, d))

    def _plan_forward(self, arrays: Arrays) -> list[Launch]:
        weights, code = arrays.parameters["weights"], activations.CODES[self.activation]
        bias = arrays.parameters["bias"] if self.bias else arrays.saved["no_bias"]
        return kernels.forward.plan(arrays.inputs[0], weights, bias, self._geometry(arrays), code, arrays.output)

    def _plan_backward(self, arrays: Arrays, d: Array) -> list[Launch]:
        """``d``: the gradient before the activation function."""
        geometry, dx = self._geometry(arrays), arrays.d_inputs[0]
        plan: list[Launch] = []
        images = d.reshape(arrays.output.shape)
        if dx is not None:
            plan += kernels.input_gradient.plan(images, arrays.parameters["weights"], geometry, dx)
        if (sink := arrays.sinks["weights"]) is not None:
            plan += kernels.weight_gradient.plan(arrays.inputs[0], images, geometry, *sink)
        return plan
