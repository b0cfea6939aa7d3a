"""Options of the data section."""

from typing import Annotated, Literal

from pydantic import Field

from dlcli.data.base import Source, Transform
from dlcli.options import Count, Listed, Options


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
