"""A part of the image, somewhere, larger or smaller than it is."""

from typing import Annotated, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from dlcli.data.base import Spatial, image
from dlcli.data.draws import Draws
from dlcli.data.transforms.random_crop import place_crop
from dlcli.data.windows import View, Windows
from dlcli.layers.base import Array, Shape
from dlcli.options import Count, Listed, Pair


class RandomScaleCrop(Spatial):
    """A crop of the resized image: its shorter side gets a length drawn from `scale` by bilinear interpolation, the
    other one in proportion, and the crop lies anywhere in it; all anew for each epoch. In evaluation the length is the
    mean of the two, and the crop is the centre.

    VGG's scale jittering: 224 × 224 at scales from 256 to 512. K. Simonyan, A. Zisserman, "Very deep convolutional
    networks for large-scale image recognition" (2015), sections 3.1 and 4.1.
    """

    type: Literal["random_scale_crop"] = "random_scale_crop"
    also_called: ClassVar[tuple[str, ...]] = ("random_scale",)
    reads_whole = True
    resamples = True
    is_crop = True

    size: Pair
    """Height and width of the crop."""
    scale: Annotated[tuple[Count, ...], Listed, Field(min_length=2, max_length=2)]
    """Least and greatest length of the resized image's shorter side, e.g. `[256, 512]`; each whole number between
    them is equally likely."""

    @model_validator(mode="after")
    def _holds_the_crop(self) -> Self:
        if not max(self.size) <= self.scale[0] <= self.scale[1]:
            raise PydanticCustomError(
                "scale", "found scales from {low} to {high} for crops of {height} × {width}, "
                "expected two, the lesser one first and at least as long as the crop's sides",
                {"low": self.scale[0], "high": self.scale[1], "height": self.size[0], "width": self.size[1]},
            )  # fmt: skip
        return self

    def output_shape(self, shape: Shape) -> Shape:
        return (*self.size, image(shape)[2])

    def place(self, windows: Windows, shape: Shape, draws: Draws | None, view: View) -> None:
        low, high = self.scale
        if draws is None:
            height, width = self._resized(shape, (low + high) // 2)
            windows.resize(shape[0] / height, shape[1] / width)
            place_crop(windows, (int(height), int(width)), self.size, None, view)
            return
        drawn = draws.uniform(3)
        heights, widths = self._resized(shape, low + np.floor(drawn[:, 0] * (high - low + 1)))
        windows.resize(shape[0] / heights, shape[1] / widths)
        tops = np.floor(drawn[:, 1] * (heights - self.size[0] + 1))
        lefts = np.floor(drawn[:, 2] * (widths - self.size[1] + 1))
        windows.crop(tops, lefts, widths, self.size[1])

    def _resized(self, shape: Shape, shorter: Array | int) -> tuple[Array, Array]:
        """Height and width of the image whose shorter side has been given a length."""
        factor = shorter / min(shape[:2])
        return np.rint(shape[0] * factor), np.rint(shape[1] * factor)
