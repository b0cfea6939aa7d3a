"""The ideas of a source and of a transform.

They stand apart from the options that use them, so that a member's module may be imported first.
"""

from abc import abstractmethod
from collections.abc import Iterable
from typing import ClassVar

from dlcli.data.dataset import Dataset
from dlcli.data.draws import Draws
from dlcli.data.windows import View, Windows
from dlcli.layers.base import Array, Shape, ShapeError
from dlcli.options import Family


class Source(Family):
    """Where samples come from."""

    package: ClassVar[str] = "dlcli.data.sources"

    @abstractmethod
    def load(self) -> Dataset:
        """Read and check the files; raises `DataError` naming file, place, what was found and expected."""


class Transform(Family):
    """A change to every sample, applied as batches are assembled.

    A member changes numbers where they stand (`InPlace`), or says where pixels come from (`Spatial`). What is drawn at
    random, in training only, is a function of the seed, the epoch, the sample's index and the transform's position.
    """

    package: ClassVar[str] = "dlcli.data.transforms"

    def output_shape(self, shape: Shape) -> Shape:
        """Shape of a transformed sample; raises `ShapeError` where it takes no samples of this shape."""
        return shape

    def statistics(self, shape: Shape) -> dict[str, Shape]:
        """Names and shapes of the statistics that `fit` makes for samples of this shape."""
        return {}

    def fit(self, batches: Iterable[Array]) -> dict[str, Array]:
        """Statistics (float32) of the training samples, kept in the checkpoint.

        ``batches`` are (n, …) float32, transformed so far as in evaluation; asking for the next one overwrites the
        last.
        """
        return {}


class InPlace(Transform):
    """A transform that changes the numbers of a sample, not their count."""

    in_parallel: ClassVar[bool] = False  # runs kernels that share their work among the threads

    def draw(self, draws: Draws, shape: Shape) -> Array | None:
        """(n, …) random numbers of a batch's samples of this shape, which `apply` takes; None: it takes none."""
        return None

    @abstractmethod
    def apply(self, x: Array, statistics: dict[str, Array], drawn: Array | None = None) -> Array:
        """Transform a contiguous float batch (N, …) in place; returns it, or a view of another shape.

        What becomes of a sample depends on no other, bit for bit. ``drawn`` has a row of random numbers for each
        sample in training, if `draw` gives any; it is None in evaluation.
        """


class Spatial(Transform):
    """A transform of images that decides where each pixel comes from; neighbours in a chain are done in one pass."""

    reads_whole: ClassVar[bool] = False  # needs its input's edges, so that no other can come before it in a pass
    resamples: ClassVar[bool] = False  # pixels come from between pixels
    is_crop: ClassVar[bool] = False  # in evaluation it takes the crop that is asked for: the centre, a corner, mirrored

    @abstractmethod
    def place(self, windows: Windows, shape: Shape, draws: Draws | None, view: View) -> None:
        """Move the windows of a batch's samples.

        Parameters
        ----------
        windows: where pixels come from so far; changed in place.
        shape: (height, width, channels) of this transform's input.
        draws: random numbers of the samples; None in evaluation.
        view: the crop that evaluation takes.
        """


def image(shape: Shape) -> Shape:
    """The shape, if it is an image's; raises `ShapeError`."""
    if len(shape) != 3:
        raise ShapeError(f"takes images (height, width, channels), found samples of shape {list(shape)}")
    return shape


def cropped(shape: Shape, size: tuple[int, int]) -> Shape:
    """Shape of a crop of ``size`` (height, width); raises `ShapeError` where the image is smaller."""
    height, width, channels = image(shape)
    if size[0] > height or size[1] > width:
        raise ShapeError(f"crops {size[0]} × {size[1]}, found images of {height} × {width}")
    return (*size, channels)
