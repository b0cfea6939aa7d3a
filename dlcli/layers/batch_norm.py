"""Batch normalisation (Ioffe and Szegedy 2015)."""

from collections.abc import Sequence
from math import inf, prod
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from dlcli.initialisers.constant import Constant
from dlcli.kernels import activation as activations
from dlcli.kernels import channels
from dlcli.kernels import normalisation as kernels
from dlcli.kernels.constants import ones, zeros
from dlcli.kernels.launch import Launch
from dlcli.layers.base import (
    Activation,
    Array,
    Arrays,
    BufferSpec,
    MultiplierOptions,
    ParameterSpec,
    Shape,
    StateSpec,
    one_input,
)
from dlcli.layers.elementwise import Elementwise
from dlcli.layers.per_channel import settled
from dlcli.options import Positive


class BatchNorm(Elementwise):
    """y = f(γ (x − μ) / √(σ² + ε) + β), per channel, the last axis (the paper's algorithm 1).

    In training, μ and σ² are mean and biased variance of a channel over the batch and all positions; in evaluation,
    and where the layer is frozen, the running ones: a moving average of μ and of the unbiased variance.
    x, y: (N, …, C). weights (γ), bias (β), running_mean, running_variance: (C,).
    """

    type: Literal["batch_norm"] = "batch_norm"
    also_called = ("batch_normalisation", "batch_normalization")
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    """Share of the running statistics that a step keeps; the rest is the batch's."""
    epsilon: Positive = 1e-5
    """ε, what is added to the variance."""
    scale: bool = True
    """Whether there is a learned factor γ, at first 1."""
    shift: bool = True
    """Whether there is a learned offset β, at first 0."""
    activation: Activation = "linear"
    """Activation function f, applied to the normalised values."""
    weights_options: MultiplierOptions = MultiplierOptions()
    """Factors on the learning rate and the decay of γ."""
    bias_options: MultiplierOptions = MultiplierOptions()
    """Factors on the learning rate and the decay of β."""

    def parameters(self, inputs: Sequence[Shape]) -> dict[str, ParameterSpec]:
        shape, specs = one_input(inputs)[-1:], {}
        if self.scale:
            specs["weights"] = ParameterSpec(shape, Constant(value=1.0), 1, 1, self.weights_options)
        if self.shift:
            specs["bias"] = ParameterSpec(shape, Constant(value=0.0), 1, 1, self.bias_options)
        return specs

    def state(self, inputs: Sequence[Shape]) -> dict[str, StateSpec]:
        shape = one_input(inputs)[-1:]
        return {"running_mean": StateSpec(shape), "running_variance": StateSpec(shape, 1.0)}

    def saved(self, inputs: Sequence[Shape]) -> dict[str, BufferSpec]:
        channels = one_input(inputs)[-1]
        return {
            "statistics": BufferSpec((3, channels), per_batch=True),  # mean, 1 / √(σ² + ε), γ / √(σ² + ε)
            "sums": BufferSpec((2, channels), per_batch=True),
            "training": BufferSpec((1,), np.uint8, per_batch=True),
        }

    def multiply_adds(self, inputs: Sequence[Shape]) -> int:
        return prod(one_input(inputs)) if self.scale else 0

    def forward(self, arrays: Arrays, training: bool, step: int) -> None:
        arrays.saved["training"][0] = training
        if training:
            arrays.run("batch", lambda: self._plan_batch(arrays))
        else:
            arrays.run("running", lambda: self._plan_running(arrays))
        arrays.run("forward", lambda: self._plan_forward(arrays))

    def backward(self, arrays: Arrays) -> None:
        if arrays.saved["training"][0]:
            arrays.run("backward", lambda: self._plan_backward(arrays, through_statistics=True))
        else:
            arrays.run("frozen backward", lambda: self._plan_backward(arrays, through_statistics=False))

    def _weights(self, arrays: Arrays) -> Array:
        return arrays.parameters["weights"] if self.scale else ones(arrays.output.dtype, arrays.output.shape[-1])

    @staticmethod
    def _running(arrays: Arrays) -> tuple[Array, Array]:
        return arrays.state["running_mean"], arrays.state["running_variance"]

    def _plan_batch(self, arrays: Arrays) -> list[Launch]:
        x, found = arrays.inputs[0], arrays.saved["statistics"]
        weights, running = self._weights(arrays), self._running(arrays)
        return kernels.batch_statistics.plan(x, self.momentum, self.epsilon, weights, running, found)

    def _plan_running(self, arrays: Arrays) -> list[Launch]:
        weights, running = self._weights(arrays), self._running(arrays)
        return kernels.running_statistics.plan(self.epsilon, weights, running, arrays.saved["statistics"])

    def _plan_forward(self, arrays: Arrays) -> list[Launch]:
        x, y, (mean, _, factor) = arrays.inputs[0], arrays.output, arrays.saved["statistics"]
        bias = arrays.parameters["bias"] if self.shift else zeros(y.dtype, y.shape[-1])
        return channels.affine.plan(x, mean, factor, bias, activations.CODES[self.activation], y)

    def _plan_backward(self, arrays: Arrays, *, through_statistics: bool) -> list[Launch]:
        x, d, dx = arrays.inputs[0], arrays.d_output, arrays.d_inputs[0]
        found, totals = arrays.saved["statistics"], arrays.saved["sums"]
        mean, inverse, factor = found
        sinks = (
            arrays.sinks["bias"] if self.shift else None,
            arrays.sinks["weights"] if self.scale else None,
        )
        plan = activations.backward.plan(activations.CODES[self.activation], arrays.output, d, d)
        if any(sinks) or (through_statistics and dx is not None):
            plan += channels.sums.plan(d, x, mean, inf, inverse, totals)
        if dx is not None and through_statistics:
            plan += kernels.input_gradient.plan(d, x, found, totals, dx)
        elif dx is not None:
            none = zeros(d.dtype, factor.size)
            plan += channels.affine.plan(d, none, factor, none, activations.LINEAR, dx)
        return plan + settled(totals, sinks)
