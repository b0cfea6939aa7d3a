"""Sparse regularisation of a hidden layer's activity (survey, section 3.2)."""

from collections.abc import Sequence
from math import prod
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from dlcli.kernels import activation
from dlcli.kernels import regulariser as kernels
from dlcli.kernels.launch import Launch
from dlcli.layers.base import Array, Arrays, BufferSpec, Shape, StateSpec, one_input
from dlcli.layers.elementwise import Elementwise, rows
from dlcli.options import NonNegative, Options, Share

FLOOR = 1e-6  # activities are kept this far from 0 and 1, where the divergence is infinite


class SparsityOptions(Options):
    """What is asked of a hidden layer's activity."""

    target: Annotated[float, Field(gt=0, lt=1)] = 0.05
    """Mean activity ρ that every unit is drawn towards."""
    weight: NonNegative = 0.0
    """Weight of the divergence from the target; 0 leaves it out."""
    running_mean: Share = 0.0
    """Share of the estimate of the mean activity that a step keeps, the rest being the mini-batch's mean; 0 takes the
    mini-batch's alone. Small mini-batches need it: 0.9, say (Hinton 2010, "A practical guide", section 11)."""
    l1: NonNegative = 0.0
    """Weight of the mean absolute activity; 0 leaves it out."""


class Sparsity(SparsityOptions, Elementwise):
    """y = x, and the loss gains weight · Σ_j KL(target ‖ mean activity of unit j) + l1 · Σ_j |x_j|.

    The mean activity ρ̂ is estimated over the mini-batch or, with a ``running_mean``, over many, from the target on; its
    slope is that of the mini-batch's mean either way: the gradient is weight / N · d KL / d ρ̂ for each of N samples.
    The L1 term is a mean over them. KL needs units whose activity lies between 0 and 1. At a mean of 0 or 1, where it
    is infinite, value and gradient are those a millionth away, so that units that always rest are still drawn to the
    target.
    """

    type: Literal["sparsity"] = "sparsity"
    is_view: ClassVar[bool] = True

    def saved(self, inputs: Sequence[Shape]) -> dict[str, BufferSpec]:
        return {
            "mean": BufferSpec((prod(one_input(inputs)),), per_batch=True),
            "divergence": BufferSpec((1,), np.float64, per_batch=True),
            "norm": BufferSpec((1,), np.float64, per_batch=True),
        }

    def state(self, inputs: Sequence[Shape]) -> dict[str, StateSpec]:
        kept = self.weight and self.running_mean
        return {"activity": StateSpec((prod(one_input(inputs)),), self.target)} if kept else {}

    def _mean(self, arrays: Arrays) -> Array:
        """(units,) the estimate of the mean activity."""
        return arrays.state["activity"] if self.running_mean else arrays.saved["mean"]

    def forward(self, arrays: Arrays, training: bool, step: int) -> None:
        x, y, mean = arrays.inputs[0], arrays.output, arrays.saved["mean"]
        arrays.run("forward", lambda: activation.forward.plan(activation.LINEAR, rows(x), rows(y)))
        if self.weight:
            arrays.run("mean", lambda: kernels.mean_activity.plan(rows(x), mean))
            if self.running_mean and training:
                kept = self.running_mean
                arrays.run("running mean", lambda: kernels.running_mean.plan(self._mean(arrays), mean, kept))

    def backward(self, arrays: Arrays) -> None:
        if arrays.d_inputs[0] is not None:
            arrays.run("backward", lambda: self._backward(arrays))

    def _backward(self, arrays: Arrays) -> list[Launch]:
        h, dy, dx = rows(arrays.inputs[0]), rows(arrays.d_output), arrays.d_inputs[0]
        assert dx is not None  # noqa: S101
        launches = [*activation.forward.plan(activation.LINEAR, dy, rows(dx))]
        if self.weight:
            mean = self._mean(arrays)
            launches += kernels.kl_gradient.plan(mean, self.target, FLOOR, self.weight, rows(dx))
        if self.l1:
            launches += kernels.l1_gradient.plan(h, self.l1, rows(dx))
        return launches

    def penalty(self, arrays: Arrays) -> float:
        total = 0.0
        if self.weight:
            mean, divergence = self._mean(arrays), arrays.saved["divergence"]
            arrays.run("divergence", lambda: kernels.kl_divergence.plan(mean, self.target, FLOOR, divergence))
            total += self.weight * float(divergence[0])
        if self.l1:
            x, norm = arrays.inputs[0], arrays.saved["norm"]
            arrays.run("norm", lambda: kernels.l1_norm.plan(rows(x), norm))
            total += self.l1 * float(norm[0])
        return total
