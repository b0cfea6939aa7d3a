"""Average pooling (survey, section 4)."""

from typing import Literal

from dlcli.kernels import pool2d as kernels
from dlcli.layers.base import Arrays
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
        x = arrays.inputs[0]
        kernels.average_forward(x, self.geometry(x.shape[1:]), self.count_padding, arrays.output)

    def backward(self, arrays: Arrays) -> None:
        dx = arrays.d_inputs[0]
        if dx is not None:
            kernels.average_backward(arrays.d_output, self.geometry(dx.shape[1:]), self.count_padding, dx)
