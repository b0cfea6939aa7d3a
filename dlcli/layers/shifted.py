"""What padding and cropping share: the output is the input, moved, in a frame of another size."""

from abc import abstractmethod
from collections.abc import Sequence

from dlcli.kernels import shift as kernels
from dlcli.layers.base import Arrays, Layer, Shape, one_input


class Shifted(Layer):
    """y[h, w] = x[h − top, w − left], and 0 where x has no such place."""

    @abstractmethod
    def frame(self, shape: Shape) -> tuple[int, int, int, int]:
        """(height, width) of the output for inputs of ``shape``, then (top, left)."""

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        shape = one_input(inputs, rank=3)
        return (*self.frame(shape)[:2], shape[2])

    def forward(self, arrays: Arrays, training: bool, step: int) -> None:
        x, y = arrays.inputs[0], arrays.output
        _, _, top, left = self.frame(x.shape[1:])
        arrays.run("forward", lambda: kernels.shifted.plan(x, top, left, y))

    def backward(self, arrays: Arrays) -> None:
        dy, dx = arrays.d_output, arrays.d_inputs[0]
        if dx is not None:
            _, _, top, left = self.frame(dx.shape[1:])
            arrays.run("backward", lambda: kernels.shifted.plan(dy, -top, -left, dx))
