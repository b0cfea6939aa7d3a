"""Left and right exchanged."""

from typing import Annotated, Literal

from pydantic import Field

from dlcli.data.base import Spatial, image
from dlcli.data.draws import Draws
from dlcli.data.windows import View, Windows
from dlcli.layers.base import Shape


class Mirror(Spatial):
    """The image or its mirror image, left and right exchanged, drawn anew for each epoch; in evaluation the image."""

    type: Literal["mirror"] = "mirror"

    probability: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Share of the images that are mirrored in training."""

    def output_shape(self, shape: Shape) -> Shape:
        return image(shape)

    def place(self, windows: Windows, shape: Shape, draws: Draws | None, view: View) -> None:
        if draws is not None:
            windows.mirror(draws.uniform(1)[:, 0] < self.probability)
