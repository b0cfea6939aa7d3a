"""The way back from max pooling, by switches (Zeiler et al., "Adaptive deconvolutional networks", ICCV 2011)."""

from collections.abc import Sequence
from math import prod
from typing import Literal

import numpy as np

from dlcli.kernels import activation, pool2d
from dlcli.kernels import unpool2d as kernels
from dlcli.kernels.constants import zeros
from dlcli.kernels.launch import Launch
from dlcli.layers.base import Arrays, BufferSpec, Shape, ShapeError
from dlcli.layers.pooled import Pooled


class MaxUnpool2d(Pooled):
    """Each value goes to the place where its window's largest was, the switch; all other places are 0.

    Two inputs: the values v (N, OH, OW, C), and the images x (N, H, W, C) that a `max_pool2d` with the same options has
    taken to that size, in which switches are found. y: (N, H, W, C). Where windows overlap, values with one place add.
    The gradient goes to the values alone.
    """

    type: Literal["max_unpool2d"] = "max_unpool2d"

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        if len(inputs) != 2:
            raise ShapeError(f"takes two inputs, values and the images that were pooled, found {len(inputs)}")
        values, images = inputs
        pooled = super().output_shape([images])
        if values != pooled:
            raise ShapeError(f"takes values of shape {list(pooled)} for such images, found {list(values)}")
        return images

    def saved(self, inputs: Sequence[Shape]) -> dict[str, BufferSpec]:
        place = np.uint8 if prod(self.size) <= 256 else np.int32
        return {"winners": BufferSpec(inputs[0], place), "largest": BufferSpec(inputs[0])}

    def forward(self, arrays: Arrays, training: bool, step: int) -> None:
        arrays.run("forward", lambda: self._plan_forward(arrays))

    def _plan_forward(self, arrays: Arrays) -> list[Launch]:
        (values, images), winners, geometry = arrays.inputs, arrays.saved["winners"], self.geometry
        return [
            *pool2d.max_forward.plan(images, geometry(images.shape[1:]), arrays.saved["largest"], winners),
            *pool2d.max_backward.plan(values, winners, geometry(images.shape[1:]), arrays.output),
        ]

    def backward(self, arrays: Arrays) -> None:
        arrays.run("backward", lambda: self._plan_backward(arrays))

    def _plan_backward(self, arrays: Arrays) -> list[Launch]:
        dy, (d_values, d_images) = arrays.d_output, arrays.d_inputs
        plan: list[Launch] = []
        if d_values is not None:
            plan += kernels.picked.plan(dy, arrays.saved["winners"], self.geometry(dy.shape[1:]), d_values)
        if d_images is not None:
            nothing = zeros(d_images.dtype, d_images.size)[: d_images.size].reshape(d_images.shape)
            plan += activation.forward.plan(activation.LINEAR, nothing, d_images)
        return plan
