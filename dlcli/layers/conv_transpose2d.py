"""The transposed convolution: a convolution's input gradient as a layer (Zeiler et al. 2010: deconvolution)."""

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import ClassVar, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from dlcli.kernels import activation as activations
from dlcli.kernels import conv2d as kernels
from dlcli.kernels.constants import zeros
from dlcli.kernels.launch import Launch
from dlcli.layers.base import Array, Arrays, ParameterSpec, Shape, ShapeError, one_input
from dlcli.layers.geometry import Padding, Pads, side, window
from dlcli.layers.mirroring import Mirroring
from dlcli.options import Annotated, Count, Pair


class ConvTranspose2d(Mirroring):
    """Every input adds its values times the kernel to the outputs that a convolution would read for it.

    x: (N, H, W, C). weights: (kernel_h, kernel_w, filters, C), those of the `conv2d` from `filters` channels to C whose
    mirror the layer is: y gathers as that convolution's input gradient does. y: (N, OH, OW, filters), where
    OH = (H − 1) · stride + kernel_h − 2 · padding + output_padding, or H · stride with `same` padding.
    """

    type: Literal["conv_transpose2d"] = "conv_transpose2d"
    mirror_axes: ClassVar[tuple[int, ...]] = (0, 1, 2, 3)
    also_called = ("conv2d_transpose", "deconvolution2d")
    filters: Count
    """Number of filters: the output's channels."""
    kernel_size: Pair
    """Height and width of the kernel."""
    stride: Pair = (1, 1)
    """Step between the outputs of neighbouring inputs: the factor by which images grow."""
    padding: Padding = "valid"
    """What is cut off the output, as the mirrored convolution would pad it: `valid` (nothing), `same` (output
    size · stride), or how many rows and columns on each side."""
    output_padding: Pads = (0, 0)
    """Rows and columns more at the end of the output, fewer than the stride: among the sizes that the mirrored
    convolution would take to one size, which."""

    tied_to: Annotated[str, Field(min_length=1)] | None = None
    """Name of a convolution before it, whose weights are used instead of weights of its own."""

    @field_validator("tied_to")
    @classmethod
    def _tied_to_one(cls, tied_to: str | None, info: ValidationInfo) -> str | None:
        given = next((name for name in ("share", "mirrors") if info.data.get(name) is not None), None)
        if tied_to is not None and given is not None:
            raise ValueError(f"found {given} too, expected one or the other: both say where the weights come from")
        return tied_to

    @model_validator(mode="after")
    def _one_size(self) -> "ConvTranspose2d":
        if any(extra >= stride for extra, stride in zip(self.output_padding, self.stride, strict=True)):
            raise ValueError(
                f"an output padding of {list(self.output_padding)} must be less than the stride, {list(self.stride)}"
            )
        if self.padding == "same" and any(self.output_padding):
            raise ValueError("with `same` padding the output's size is given: there is no output padding")
        return self

    def _axis(self, axis: int, size: int) -> tuple[int, int]:
        """(output size, what is cut off before it) of rows or of columns."""
        stride, kernel, padding = self.stride[axis], self.kernel_size[axis], side(self.padding, axis)
        name = ("rows", "columns")[axis]
        if padding == "same":
            return size * stride, window(name, size * stride, kernel, stride, "same")[1]
        pad = 0 if isinstance(padding, str) else padding
        out = (size - 1) * stride + kernel - 2 * pad + self.output_padding[axis]
        if pad >= kernel or out < 1:
            raise ShapeError(f"padding of {pad} leaves nothing of a kernel of {kernel} on an input of {size} ({name})")
        return out, pad

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        shape = one_input(inputs, rank=3)
        return (self._axis(0, shape[0])[0], self._axis(1, shape[1])[0], self.filters)

    def parameters(self, inputs: Sequence[Shape]) -> dict[str, ParameterSpec]:
        channels, area = one_input(inputs, rank=3)[2], prod(self.kernel_size)
        fan_in = max(1, area * channels // prod(self.stride))  # of the inputs under a kernel, every stride-th is there
        specs = self.weight_specs((*self.kernel_size, channels, self.filters), fan_in, area * self.filters)
        shape = (*self.kernel_size, self.filters, channels)
        mirrored = replace(specs["weights"], shape=shape, owner=self.tied_to)
        return {**specs, "weights": mirrored}

    def multiply_adds(self, inputs: Sequence[Shape]) -> int:
        return prod(one_input(inputs, rank=3)) * prod(self.kernel_size) * self.filters

    def _geometry(self, arrays: Arrays) -> kernels.Geometry:
        """Of the mirrored convolution, from this layer's output to its input."""
        pads = (self._axis(axis, arrays.inputs[0].shape[1 + axis])[1] for axis in (0, 1))
        return (*self.stride, *pads, 1, 1, 1)

    def forward(self, arrays: Arrays, training: bool, step: int) -> None:
        arrays.run("forward", lambda: self._plan_forward(arrays))

    def backward(self, arrays: Arrays) -> None:
        d = self.slopes_and_bias_gradient(arrays)
        arrays.run("backward", lambda: self._plan_backward(arrays, d))

    def _plan_forward(self, arrays: Arrays) -> list[Launch]:
        x, y, weights = arrays.inputs[0], arrays.output, arrays.parameters["weights"]
        bias = arrays.parameters["bias"] if self.bias else zeros(y.dtype, self.filters)
        code = activations.CODES[self.activation]
        return kernels.transposed.plan(x, weights, bias, self._geometry(arrays), code, y)

    def _plan_backward(self, arrays: Arrays, d: Array) -> list[Launch]:
        """``d``: the gradient before the activation function, a row for every position."""
        x, dx, weights = arrays.inputs[0], arrays.d_inputs[0], arrays.parameters["weights"]
        geometry, images = self._geometry(arrays), d.reshape(arrays.output.shape)
        plan: list[Launch] = []
        if dx is not None:
            nothing = zeros(dx.dtype, dx.shape[3])
            plan += kernels.forward.plan(images, weights, nothing, geometry, activations.LINEAR, dx)
        if (sink := arrays.sinks["weights"]) is not None:
            plan += kernels.weight_gradient.plan(images, x, geometry, *sink)
        return plan
