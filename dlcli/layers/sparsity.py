"""Sparse regularisation of a hidden layer's activity (survey, section 3.2)."""

from collections.abc import Sequence
from math import prod
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from dlcli.kernels import regulariser as kernels
from dlcli.layers.base import Arrays, BufferSpec, Shape, one_input
from dlcli.layers.elementwise import Elementwise, rows
from dlcli.options import NonNegative, Options

FLOOR = 1e-6  # activities are kept this far from 0 and 1, where the divergence is infinite


class SparsityOptions(Options):
    """What is asked of a hidden layer's activity."""

    target: Annotated[float, Field(gt=0, lt=1)] = 0.05
    """Mean activity ρ that every unit is drawn towards."""
    weight: NonNegative = 0.0
    """Weight of the divergence from the target; 0 leaves it out."""
    l1: NonNegative = 0.0
    """Weight of the mean absolute activity; 0 leaves it out."""


class Sparsity(SparsityOptions, Elementwise):
    """y = x, and the loss gains weight · Σ_j KL(target ‖ mean activity of unit j) + l1 · Σ_j |x_j|.

    The mean activity is estimated over the mini-batch; the L1 term is a mean over its samples. KL needs units whose
    activity lies between 0 and 1. At a mean of 0 or 1, where it is infinite, value and gradient are those a
    millionth away, so that units that always rest are still drawn to the target.
    """

    type: Literal["sparsity"] = "sparsity"

    def saved(self, inputs: Sequence[Shape]) -> dict[str, BufferSpec]:
        return {"mean": BufferSpec((prod(one_input(inputs)),), per_batch=True)}

    def forward(self, arrays: Arrays, training: bool, step: int) -> None:
        np.copyto(arrays.output, arrays.inputs[0])
        if self.weight:
            kernels.mean_activity(rows(arrays.inputs[0]), arrays.saved["mean"])

    def backward(self, arrays: Arrays) -> None:
        dx = arrays.d_inputs[0]
        if dx is None:
            return
        np.copyto(dx, arrays.d_output)
        if self.weight:
            kernels.kl_gradient(arrays.saved["mean"], self.target, FLOOR, self.weight, rows(dx))
        if self.l1:
            kernels.l1_gradient(rows(arrays.inputs[0]), self.l1, rows(dx))

    def penalty(self, arrays: Arrays) -> float:
        total = 0.0
        if self.weight:
            total += self.weight * kernels.kl_penalty(arrays.saved["mean"], self.target, FLOOR)
        if self.l1:
            total += self.l1 * kernels.l1_penalty(rows(arrays.inputs[0]))
        return total
