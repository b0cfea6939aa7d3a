"""What pooling layers share: window, stride, padding and how sizes are rounded."""

from collections.abc import Sequence

from dlcli.layers.base import Layer, Shape, one_input
from dlcli.layers.geometry import Padding, Rounding, side, window
from dlcli.options import Pair


class Pooled(Layer):
    """A layer that summarises windows of each channel."""

    size: Pair
    """Height and width of the window."""
    stride: Pair | None = None
    """Step between neighbouring windows; by default the size."""
    padding: Padding = "valid"
    """Cells around the image: `valid` (none), `same` (output ⌈size / stride⌉), or how many on each side."""
    rounding: Rounding = "down"
    """Whether a last window that overhangs the image is dropped (`down`: Keras, PyTorch) or kept (`up`: Caffe)."""

    def windows(self, shape: Shape) -> tuple[tuple[int, int], tuple[int, int]]:
        """(output size, leading padding) of rows and of columns."""
        stride = self.stride or self.size
        rows, columns = (
            window(axis, shape[i], self.size[i], stride[i], side(self.padding, i), rounding=self.rounding)
            for i, axis in enumerate(("rows", "columns"))
        )
        return rows, columns

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        shape = one_input(inputs, rank=3)
        rows, columns = self.windows(shape)
        return (rows[0], columns[0], shape[2])

    def geometry(self, shape: Shape) -> tuple[int, ...]:
        """The kernels' geometry for inputs of ``shape``."""
        rows, columns = self.windows(shape)
        return (*self.size, *(self.stride or self.size), rows[1], columns[1])
