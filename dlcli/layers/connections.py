"""Tables of connections: which channels each filter of a convolution sees (LeCun et al. 1998, table I)."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Annotated, NamedTuple

import numpy as np
from pydantic import Field

from dlcli.initialisers.base import Fills
from dlcli.layers.base import Array, ShapeError
from dlcli.options import Listed

Channels = Annotated[tuple[Annotated[int, Field(ge=0)], ...], Listed, Field(min_length=1)]
Table = Annotated[tuple[Channels, ...], Listed, Field(min_length=1)]


class Connections(NamedTuple):
    """The pairs of channel and filter that are connected, filter by filter, each in the order of its list."""

    channel: tuple[int, ...]
    filter: tuple[int, ...]
    filters: int  # how many there are

    @property
    def total(self) -> int:
        """How many pairs are connected."""
        return len(self.channel)

    def counts(self) -> tuple[int, ...]:
        """How many channels each filter sees."""
        return tuple(self.filter.count(f) for f in range(self.filters))

    def pairs(self) -> Array:
        """(connections,) int64: c · filters + f of each."""
        return np.array(self.channel, np.int64) * self.filters + np.array(self.filter, np.int64)

    def places(self, channels: int) -> Array:
        """(channels · filters,) int64: the connection of each pair, −1 where there is none."""
        places = np.full(channels * self.filters, -1, np.int64)
        places[self.pairs()] = np.arange(self.total)
        return places


def connections(table: Sequence[Sequence[int]], filters: int) -> Connections:
    """The connections of a table that has a list for each filter, or for each of equal groups of neighbours."""
    share = filters // len(table)
    pairs = [(c, f) for f in range(filters) for c in table[f // share]]
    return Connections(tuple(c for c, _ in pairs), tuple(f for _, f in pairs), filters)


def check_table(table: Sequence[Sequence[int]], filters: int) -> None:
    """Raise ValueError for a table that cannot be dealt out to the filters, or names a channel twice."""
    if filters % len(table):
        raise ValueError(f"found {len(table)} lists for {filters} filters, expected one for each, or for equal groups")
    for index, channels in enumerate(table):
        twice = {c for c in channels if channels.count(c) > 1}
        if twice:
            raise ValueError(f"found channel {min(twice)} more than once in list {index}")


def check_channels(table: Sequence[Sequence[int]], channels: int) -> None:
    """Raise ShapeError for a table that names a channel which the input does not have."""
    largest = max(map(max, table))
    if largest >= channels:
        raise ShapeError(f"connects channel {largest}, but the input's channels are 0 to {channels - 1}")


@dataclass(frozen=True)
class PerFilter:
    """An initialiser that draws every filter with its own fan-in: the kernel's area times the channels that it sees."""

    initialiser: Fills
    counts: tuple[int, ...]  # of those channels

    def fill(self, array: Array, fan_in: int, fan_out: int, rng: np.random.Generator) -> None:
        """array: (kernel_h, kernel_w, connections), filter by filter."""
        first = 0
        for count in self.counts:
            own = array[..., first : first + count, None]  # (fan-in axes …, one output)
            self.initialiser.fill(own, prod(array.shape[:-1]) * count, fan_out, rng)
            first += count
