"""Stochastic pooling (Zeiler and Fergus, ICLR 2013; survey, section 4: several ways to pool)."""

from collections.abc import Sequence
from math import prod
from typing import Literal

import numpy as np

from dlcli.kernels import pool2d, stochastic_pool2d
from dlcli.layers.base import Arrays, BufferSpec, Shape
from dlcli.layers.pooled import Pooled


class StochasticPool2d(Pooled):
    """In training, one value of each window, drawn with probability x / Σ x; in evaluation, their mean Σ x² / Σ x.

    x: (N, H, W, C), activities ≥ 0, as after relu; negative ones count as 0. y: (N, OH, OW, C), 0 in windows without a
    value above 0. The gradient goes to the drawn value; from a window without one, nowhere. The draws of a step are a
    function of (seed, layer, step, position in the batch) alone.
    """

    type: Literal["stochastic_pool2d"] = "stochastic_pool2d"

    def saved(self, inputs: Sequence[Shape]) -> dict[str, BufferSpec]:
        place = np.uint8 if prod(self.size) < 256 else np.int32
        return {
            "places": BufferSpec(self.output_shape(inputs), place),
            "step": BufferSpec((1,), np.int64, per_batch=True),
        }

    def forward(self, arrays: Arrays, training: bool, step: int) -> None:
        x, y, geometry = arrays.inputs[0], arrays.output, self.geometry
        if training:
            held, places = arrays.saved["step"], arrays.saved["places"]
            held[0] = step
            plan = stochastic_pool2d.drawn.plan
            arrays.run("draw", lambda: plan(x, geometry(x.shape[1:]), arrays.key, held, y, places))
        else:
            arrays.run("forward", lambda: stochastic_pool2d.forward.plan(x, geometry(x.shape[1:]), y))

    def backward(self, arrays: Arrays) -> None:
        dy, places, dx = arrays.d_output, arrays.saved["places"], arrays.d_inputs[0]
        if dx is not None:
            geometry = self.geometry(dx.shape[1:])
            arrays.run("backward", lambda: pool2d.max_backward.plan(dy, places, geometry, dx))
