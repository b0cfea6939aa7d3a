"""Gaussian noise, an input corruption of a denoising autoencoder (Vincent et al. 2010, section 4.1)."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from dlcli.kernels import activation
from dlcli.kernels import noise as kernels
from dlcli.kernels.launch import Launch
from dlcli.layers.base import Arrays, BufferSpec, Shape
from dlcli.layers.elementwise import Elementwise, rows
from dlcli.options import NonNegative


class GaussianNoise(Elementwise):
    """In training, y = x + noise of mean 0 and standard deviation `deviation`; in evaluation, y = x.

    The noise of a step is a function of (seed, layer, step, position in the batch) alone.
    """

    type: Literal["gaussian_noise"] = "gaussian_noise"
    deviation: NonNegative
    """Standard deviation of the noise, in the units of the values."""

    def saved(self, inputs: Sequence[Shape]) -> dict[str, BufferSpec]:
        return {"step": BufferSpec((1,), np.int64, per_batch=True)}

    def forward(self, arrays: Arrays, training: bool, step: int) -> None:
        if training:
            arrays.saved["step"][0] = step
            arrays.run("noise", lambda: self._plan_noise(arrays))
        else:
            arrays.run("pass", lambda: activation.forward.plan(activation.LINEAR, arrays.inputs[0], arrays.output))

    def _plan_noise(self, arrays: Arrays) -> list[Launch]:
        x, y = rows(arrays.inputs[0]), rows(arrays.output)
        return kernels.gaussian.plan(arrays.key, arrays.saved["step"], x, self.deviation, y)

    def backward(self, arrays: Arrays) -> None:
        dy, dx = arrays.d_output, arrays.d_inputs[0]
        if dx is not None:
            arrays.run("backward", lambda: activation.forward.plan(activation.LINEAR, dy, dx))
