"""Options of the data section, and the families of sources and transforms."""

from abc import abstractmethod
from collections.abc import Iterable
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from dlcli.data.dataset import Dataset, Samples
from dlcli.layers.base import Array, Shape
from dlcli.options import Count, Family, Listed, Options


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


class Tail(Options):
    """The last samples of the training set."""

    tail: Count
    """How many of the last samples are held out."""


class DataOptions(Options):
    """The samples."""

    source: Source
    """Where samples come from."""
    validation: Annotated[float, Field(ge=0, lt=1)] | Annotated[int, Field(ge=0)] | Tail = 0.0
    """Held out of the training set: a share below 1, a count, or `{tail: N}` for the last N; shares and
    counts are drawn at random, in the classes' proportions."""
    split_seed: Annotated[int, Field(ge=0)] = 0
    """Seed of the draw of the validation set (`seed` has no part in it)."""
    batch_size: Count = 100
    """Samples in a mini-batch; the last of an epoch may be smaller."""
    shuffle: bool = True
    """Draw a new order of the training samples for each epoch."""
    transform: Annotated[tuple[Transform, ...], Listed] = ()
    """Changes to every sample, in this order."""


Split = Literal["train", "validation", "test"]
__all__ = ["DataOptions", "Samples", "Source", "Split", "Tail", "Transform"]
