"""Images in another size."""

from typing import Literal

from dlcli.data.base import Spatial, image
from dlcli.data.draws import Draws
from dlcli.data.windows import View, Windows
from dlcli.layers.base import Shape
from dlcli.options import Pair


class Resize(Spatial):
    """The whole image in another size, by bilinear interpolation between the centres of pixels.

    As OpenCV's and PyTorch's, without smoothing: images made smaller than half lose pixels.
    """

    type: Literal["resize"] = "resize"
    reads_whole = True
    resamples = True

    size: Pair
    """Height and width that all images get; their proportions change if these differ."""

    def output_shape(self, shape: Shape) -> Shape:
        return (*self.size, image(shape)[2])

    def place(self, windows: Windows, shape: Shape, draws: Draws | None, view: View) -> None:
        windows.resize(shape[0] / self.size[0], shape[1] / self.size[1])
