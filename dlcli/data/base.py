"""The ideas of a source and of a transform.

They stand apart from the options that use them, so that a member's module may be imported first.
"""

from abc import abstractmethod
from collections.abc import Iterable
from typing import ClassVar

from dlcli.data.dataset import Dataset
from dlcli.layers.base import Array, Shape
from dlcli.options import Family


class Source(Family):
    """Where samples come from."""

    package: ClassVar[str] = "dlcli.data.sources"

    @abstractmethod
    def load(self) -> Dataset:
        """Read and check the files; raises `DataError` naming file, place, what was found and expected."""


class Transform(Family):
    """A change to every sample, applied as batches are assembled."""

    package: ClassVar[str] = "dlcli.data.transforms"

    def output_shape(self, shape: Shape) -> Shape:
        """Shape of a transformed sample, of as many numbers."""
        return shape

    def statistics(self, shape: Shape) -> dict[str, Shape]:
        """Names and shapes of the statistics that `fit` makes for samples of this shape."""
        return {}

    def fit(self, batches: Iterable[Array]) -> dict[str, Array]:
        """Statistics (float32) of the training samples, kept in the checkpoint.

        ``batches`` are (n, …) float32, transformed so far; asking for the next one overwrites the last.
        """
        return {}

    @abstractmethod
    def apply(self, x: Array, statistics: dict[str, Array]) -> Array:
        """Transform a contiguous float batch (N, …) in place; returns it, or a view of another shape."""
