"""What dropout and noises that replace values share: in training, a random mask decides which values pass."""

from collections.abc import Sequence

import numpy as np

from dlcli.kernels import activation
from dlcli.kernels import philox as kernels
from dlcli.kernels.launch import Launch
from dlcli.layers.base import Arrays, BufferSpec, Shape, one_input
from dlcli.layers.elementwise import Elementwise, rows
from dlcli.options import Share


class Masked(Elementwise):
    """A layer that passes only some values in training, at random, and all in evaluation; zero stands for the others.

    The mask of a step is a function of (seed, layer, step, position in the batch) alone.
    """

    rate: Share
    """Share of the values that do not pass in training."""

    def scale(self) -> float:
        """Factor on the values that pass in training."""
        return 1.0

    def saved(self, inputs: Sequence[Shape]) -> dict[str, BufferSpec]:
        return {"mask": BufferSpec(one_input(inputs), np.uint8), "step": BufferSpec((1,), np.int64, per_batch=True)}

    def forward(self, arrays: Arrays, training: bool, step: int) -> None:
        if training:
            arrays.saved["step"][0] = step
            arrays.run("drop", lambda: self.plan_drop(arrays))
        else:
            arrays.run("pass", lambda: activation.forward.plan(activation.LINEAR, arrays.inputs[0], arrays.output))

    def plan_drop(self, arrays: Arrays) -> list[Launch]:
        """In training: the mask of what passes, 1 or 0, and the output."""
        x, mask, y = rows(arrays.inputs[0]), rows(arrays.saved["mask"]), rows(arrays.output)
        threshold = round((1 - self.rate) * 2**32)
        return kernels.drop.plan(arrays.key, arrays.saved["step"], threshold, x, mask, self.scale(), y)

    def backward(self, arrays: Arrays) -> None:
        dy, mask, dx = arrays.d_output, arrays.saved["mask"], arrays.d_inputs[0]
        if dx is not None:
            arrays.run("backward", lambda: kernels.masked.plan(rows(dy), rows(mask), self.scale(), rows(dx)))
