"""Average pooling (survey, section 4)."""

from typing import Literal

from dlcli.kernels import pool2d as kernels
from dlcli.layers.base import Array, Arrays, Shape
from dlcli.layers.pooled import Pooled


class AvgPool2d(Pooled):
    """The mean of each window, channel by channel.

    x: (N, H, W, C). y: (N, OH, OW, C). Two conventions differ where a window overlaps the padding: the mean over
    the image's cells alone (the default), or over the padding's too, which count as zeros (Caffe).
    """

    type: Literal["avg_pool2d"] = "avg_pool2d"
    also_called = ("average_pool2d",)
    count_padding: bool = False
    """Whether cells of the padding count, as zeros, in a mean."""

    def forward(self, arrays: Arrays, training: bool, step: int) -> None:
        x, y = arrays.inputs[0], arrays.output
        arrays.run("forward", lambda: kernels.average_forward.plan(x, *self._windows(x), y))

    def backward(self, arrays: Arrays) -> None:
        dy, dx = arrays.d_output, arrays.d_inputs[0]
        if dx is not None:
            arrays.run("backward", lambda: kernels.average_backward.plan(dy, *self._windows(dx), dx))

    def _windows(self, images: Array) -> tuple[Shape, tuple[int, int, int, int]]:
        """The kernels' geometry, and the cells that count."""
        return self.geometry(images.shape[1:]), self._counted(images.shape[1:])

    def _counted(self, shape: Shape) -> tuple[int, int, int, int]:
        """First cell that counts and the one past the last, of rows and of columns."""
        if not self.count_padding:
            return 0, shape[0], 0, shape[1]
        stride = self.stride or self.size
        edges: list[int] = []
        for i, (out, pad) in enumerate(self.windows(shape)):
            end = shape[i] + pad
            if self.padding == "same":  # its odd cell stands at the end
                end = max(end, (out - 1) * stride[i] - pad + self.size[i])
            edges += (-pad, end)
        top, bottom, left, right = edges
        return top, bottom, left, right
