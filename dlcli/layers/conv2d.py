"""The convolution layer: eq. (2) with local, shared weights (survey, section 4)."""

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import Literal

from pydantic import ValidationInfo, field_validator, model_validator

from dlcli.kernels import activation as activations
from dlcli.kernels import connections as tables
from dlcli.kernels import conv2d as kernels
from dlcli.kernels import position_bias
from dlcli.kernels.launch import Launch
from dlcli.kernels.sink import STORE
from dlcli.layers.base import (
    Activation,
    Array,
    Arrays,
    BufferSpec,
    Layer,
    ParameterSpec,
    Shape,
    ShapeError,
    Sink,
    one_input,
)
from dlcli.layers.connections import PerFilter, Table, check_channels, check_table, connections
from dlcli.layers.conv_transpose2d import ConvTranspose2d
from dlcli.layers.geometry import Padding, mirrored, windows
from dlcli.layers.weighted import Weighted
from dlcli.options import Count, Pair


class Conv2d(Weighted):
    """Cross-correlation (the kernel is not flipped) over rows and columns, channels last.

    x: (N, H, W, C). weights: (kernel_h, kernel_w, C / groups, filters). y: (N, OH, OW, filters).

    With a table of ``connections``, weights: (kernel_h, kernel_w, connections), those of the first filter first, each
    filter's in the order of its list; a filter starts as its own number of inputs has it. Channels that a filter does
    not see are multiplied by zeros: what is infinite or NaN in them makes the filter's output NaN.
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
    connections: Table | None = None
    """Which channels each filter sees, counted from 0: a list for each filter, or one for each of equal groups of
    neighbouring filters (LeNet-5's C3); by default all of them."""
    unshared_bias: bool = False
    """Whether every output position has a bias of its own, (OH, OW, filters), while the weights are shared (LeCun et
    al. 1989)."""

    @field_validator("connections")
    @classmethod
    def _table_fits(cls, table: Table | None, info: ValidationInfo) -> Table | None:
        if table is not None:
            if info.data.get("groups", 1) > 1:
                raise ValueError("found groups too, expected one or the other: both say which channels a filter sees")
            check_table(table, info.data.get("filters", len(table)))
        return table

    @field_validator("unshared_bias")
    @classmethod
    def _bias_exists(cls, unshared: bool, info: ValidationInfo) -> bool:
        if unshared and not info.data.get("bias", True):
            raise ValueError("found true with `bias: false`, expected a bias that can be unshared")
        return unshared

    @model_validator(mode="after")
    def _filters_in_groups(self) -> "Conv2d":
        if self.filters % self.groups:
            raise ValueError(f"{self.filters} filters cannot be cut into {self.groups} groups")
        return self

    @property
    def places_output(self) -> bool:
        return self.connections is None and not self.unshared_bias

    def _windows(self, inputs: Sequence[Shape]) -> tuple[tuple[int, int], tuple[int, int]]:
        """(output size, leading padding) of rows and of columns."""
        return windows(one_input(inputs, rank=3), self.kernel_size, self.stride, self.padding, self.dilation)

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        rows, columns = self._windows(inputs)
        if inputs[0][2] % self.groups:
            raise ShapeError(f"an input of {inputs[0][2]} channels cannot be cut into {self.groups} groups")
        if self.connections is not None:
            check_channels(self.connections, inputs[0][2])
        return (rows[0], columns[0], self.filters)

    def parameters(self, inputs: Sequence[Shape]) -> dict[str, ParameterSpec]:
        shape = self.output_shape(inputs)
        bias_shape = shape if self.unshared_bias else shape[-1:]
        channels, area = inputs[0][2], prod(self.kernel_size)
        if self.connections is None:
            channels //= self.groups
            weights = (*self.kernel_size, channels, self.filters)
            return self.weight_specs(weights, area * channels, area * self.filters // self.groups, bias_shape)
        connected = connections(self.connections, self.filters)
        fan_in, fan_out = (max(1, round(area * connected.total / of)) for of in (self.filters, channels))  # means
        specs = self.weight_specs((*self.kernel_size, connected.total), fan_in, fan_out, bias_shape)
        own = PerFilter(initialiser=specs["weights"].initialiser, counts=connected.counts())
        return specs | {"weights": replace(specs["weights"], initialiser=own)}

    def saved(self, inputs: Sequence[Shape]) -> dict[str, BufferSpec]:
        saved: dict[str, BufferSpec] = {}
        if not self.bias or self.unshared_bias:
            saved["no_bias"] = BufferSpec((self.filters,), per_batch=True)
        if self.connections is not None:
            dense = BufferSpec((*self.kernel_size, inputs[0][2], self.filters), per_batch=True)
            saved |= {"expanded": dense, "expanded_gradient": dense}
        return saved

    def multiply_adds(self, inputs: Sequence[Shape]) -> int:
        rows, columns, _ = self.output_shape(inputs)
        connected = inputs[0][2] // self.groups * self.filters
        if self.connections is not None:
            connected = connections(self.connections, self.filters).total
        return rows * columns * prod(self.kernel_size) * connected

    def reconstructor(self, inputs: Sequence[Shape], *, name: str, activation: Activation, tied: bool) -> Layer:
        if max(self.dilation) > 1 or self.groups > 1 or self.connections is not None:
            raise ShapeError("expected a convolution without dilation, groups or a table of connections")
        shape = one_input(inputs, rank=3)
        padding, output_padding = mirrored(shape, self.kernel_size, self.stride, self.padding)
        return ConvTranspose2d(
            filters=shape[2],
            kernel_size=self.kernel_size,
            stride=self.stride,
            padding=padding,
            output_padding=output_padding,
            activation=activation,
            tied_to=name if tied else None,
            initialiser=None if tied else self.initialiser,
        )

    def _geometry(self, arrays: Arrays) -> kernels.Geometry:
        rows, columns = self._windows([arrays.inputs[0].shape[1:]])
        return (*self.stride, rows[1], columns[1], *self.dilation, self.groups)

    def forward(self, arrays: Arrays, training: bool, step: int) -> None:
        arrays.run("forward", lambda: self._plan_forward(arrays))

    def backward(self, arrays: Arrays) -> None:
        d = self.slopes_and_bias_gradient(arrays)
        arrays.run("backward", lambda: self._plan_backward(arrays, d))

    def _plan_forward(self, arrays: Arrays) -> list[Launch]:
        x, weights, y = arrays.inputs[0], arrays.parameters["weights"], arrays.output
        code = activations.CODES[self.activation]
        plan: list[Launch] = []
        if self.connections is not None:
            places = connections(self.connections, self.filters).places(x.shape[3])
            plan += tables.expand.plan(weights, places, arrays.saved["expanded"])
            weights = arrays.saved["expanded"]
        if self.unshared_bias:
            nothing = arrays.saved["no_bias"]
            plan += kernels.forward.plan(x, weights, nothing, self._geometry(arrays), activations.LINEAR, y)
            return plan + position_bias.add.plan(y, arrays.parameters["bias"], code)
        bias = arrays.parameters["bias"] if self.bias else arrays.saved["no_bias"]
        return plan + kernels.forward.plan(x, weights, bias, self._geometry(arrays), code, y)

    def _plan_backward(self, arrays: Arrays, d: Array) -> list[Launch]:
        """``d``: the gradient before the activation function, a row for every position."""
        geometry, dx = self._geometry(arrays), arrays.d_inputs[0]
        plan: list[Launch] = []
        images = d.reshape(arrays.output.shape)
        if dx is not None:
            weights = arrays.parameters["weights"] if self.connections is None else arrays.saved["expanded"]
            plan += kernels.input_gradient.plan(images, weights, geometry, dx)
        if (sink := arrays.sinks["weights"]) is not None:
            plan += self._plan_weight_gradient(arrays, images, sink)
        return plan

    def _plan_weight_gradient(self, arrays: Arrays, images: Array, sink: Sink) -> list[Launch]:
        x, geometry = arrays.inputs[0], self._geometry(arrays)
        if self.connections is None:
            return kernels.weight_gradient.plan(x, images, geometry, *sink)
        gradient = arrays.saved["expanded_gradient"]
        pairs = connections(self.connections, self.filters).pairs()
        return [
            *kernels.weight_gradient.plan(x, images, geometry, STORE, gradient, gradient, sink.constants),
            *tables.collect.plan(gradient, pairs, *sink),
        ]
