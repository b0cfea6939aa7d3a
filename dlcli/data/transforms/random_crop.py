"""A part of the image, somewhere."""

from typing import Literal

import numpy as np

from dlcli.data.base import Spatial, cropped
from dlcli.data.draws import Draws
from dlcli.data.windows import View, Windows
from dlcli.layers.base import Shape
from dlcli.options import Pair


class RandomCrop(Spatial):
    """A crop of the image: in training at a place drawn anew for each epoch, all being equally likely; in evaluation
    the centre.

    AlexNet's: 224 × 224 (227 × 227 in Caffe) of 256 × 256. A. Krizhevsky, I. Sutskever, G. Hinton, "ImageNet
    classification with deep convolutional neural networks" (2012), section 4.1.
    """

    type: Literal["random_crop"] = "random_crop"
    is_crop = True

    size: Pair
    """Height and width of the crop."""

    def output_shape(self, shape: Shape) -> Shape:
        return cropped(shape, self.size)

    def place(self, windows: Windows, shape: Shape, draws: Draws | None, view: View) -> None:
        place_crop(windows, shape[:2], self.size, draws, view)


def place_crop(
    windows: Windows, shape: tuple[int, ...], size: tuple[int, int], draws: Draws | None, view: View
) -> None:
    """Crop images of ``shape`` (height, width) to ``size``, at random or as the view says."""
    places = shape[0] - size[0], shape[1] - size[1]
    if draws is None:
        windows.crop(int(places[0] * view.vertical), int(places[1] * view.horizontal), shape[1], size[1])
        windows.mirror(view.mirrored)
    else:
        corners = np.floor(draws.uniform(2) * (np.array(places) + 1))
        windows.crop(corners[:, 0], corners[:, 1], shape[1], size[1])
