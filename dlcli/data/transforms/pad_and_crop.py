"""Images shifted a little."""

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from dlcli.data.base import Spatial, image
from dlcli.data.draws import Draws
from dlcli.data.windows import View, Windows
from dlcli.layers.base import Shape


class PadAndCrop(Spatial):
    """The image, framed with zeros and cropped at random to its former size: shifted by up to `padding` pixels either
    way, anew for each epoch. In evaluation the image as it is.

    CIFAR's usual augmentation, with `mirror`: K. He, X. Zhang, S. Ren, J. Sun, "Deep residual learning for image
    recognition" (2016), section 4.2. After the mean was subtracted, zeros are the mean.
    """

    type: Literal["pad_and_crop"] = "pad_and_crop"
    reads_whole = True

    padding: Annotated[int, Field(ge=1)] = 4
    """Zeros added at each edge."""

    def output_shape(self, shape: Shape) -> Shape:
        return image(shape)

    def place(self, windows: Windows, shape: Shape, draws: Draws | None, view: View) -> None:
        if draws is not None:
            corners = np.floor(draws.uniform(2) * (2 * self.padding + 1)) - self.padding
            windows.crop(corners[:, 0], corners[:, 1], shape[1], shape[1])
