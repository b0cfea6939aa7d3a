"""What dropout and masking noise share: in training, a random mask decides which values pass."""

from collections.abc import Sequence

import numpy as np

from dlcli.kernels import philox as kernels
from dlcli.layers.base import Arrays, BufferSpec, Shape, one_input
from dlcli.layers.elementwise import Elementwise, rows
from dlcli.options import Share


class Masked(Elementwise):
    """A layer that sets values to zero at random in training, and passes all in evaluation.

    The mask of a step is a function of (seed, layer, step, position in the batch) alone.
    """

    rate: Share
    """Share of the values that are set to zero in training."""

    def scale(self) -> float:
        """Factor on the values that pass in training."""
        return 1.0

    def saved(self, inputs: Sequence[Shape]) -> dict[str, BufferSpec]:
        return {"mask": BufferSpec(one_input(inputs), np.uint8)}

    def forward(self, arrays: Arrays, training: bool, step: int) -> None:
        x, y = arrays.inputs[0], arrays.output
        if not training:
            np.copyto(y, x)
            return
        mask = rows(arrays.saved["mask"])
        threshold = np.uint64(round((1 - self.rate) * 2**32))
        kernels.keep_mask(np.uint64(arrays.key), step, threshold, mask)
        kernels.masked(rows(x), mask, y.dtype.type(self.scale()), rows(y))

    def backward(self, arrays: Arrays) -> None:
        dx = arrays.d_inputs[0]
        if dx is not None:
            scale = dx.dtype.type(self.scale())
            kernels.masked(rows(arrays.d_output), rows(arrays.saved["mask"]), scale, rows(dx))
