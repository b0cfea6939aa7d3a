"""The middle of the image."""

from typing import ClassVar, Literal

from dlcli.data.base import Spatial, cropped
from dlcli.data.draws import Draws
from dlcli.data.transforms.random_crop import place_crop
from dlcli.data.windows import View, Windows
from dlcli.layers.base import Shape
from dlcli.options import Pair


class CentreCrop(Spatial):
    """The centre of the image, in training too; what is cut off is one pixel less at the top or left where it cannot
    be halved."""

    type: Literal["centre_crop"] = "centre_crop"
    also_called: ClassVar[tuple[str, ...]] = ("center_crop",)
    is_crop = True

    size: Pair
    """Height and width of the crop."""

    def output_shape(self, shape: Shape) -> Shape:
        return cropped(shape, self.size)

    def place(self, windows: Windows, shape: Shape, draws: Draws | None, view: View) -> None:
        place_crop(windows, shape[:2], self.size, None, view)
