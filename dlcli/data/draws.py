"""Random numbers of samples: functions of the seed, the epoch, the sample's index and the transform's position alone.

So they are the same however an epoch is cut into batches, on however many threads, and wherever it was interrupted.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from dlcli.kernels import draws as kernels
from dlcli.layers.base import Array
from dlcli.random import key


class Epoch(NamedTuple):
    """Which of an experiment's epochs is drawn for; epochs count from 0."""

    seed: int
    number: int


class Draws(NamedTuple):
    """The random numbers of one transform for samples (n,) int64, given by their indices in the training set."""

    key: int
    epoch: int
    samples: Array

    @classmethod
    def of(cls, epoch: Epoch, position: int, samples: Array) -> "Draws":
        """Those of the transform at a position in the chain."""
        return cls(_key(epoch.seed, position), epoch.number, np.ascontiguousarray(samples, np.int64))

    def uniform(self, count: int) -> Array:
        """(n, count) float64, uniform between 0 and 1, both excluded."""
        out = np.empty((len(self.samples), count))
        kernels.uniform(self.key, self.epoch, self.samples, out)
        return out

    def normal(self, count: int) -> Array:
        """(n, count) float64, normal with mean 0 and deviation 1."""
        out = np.empty((len(self.samples), count))
        kernels.normal(self.key, self.epoch, self.samples, out)
        return out


@lru_cache(maxsize=256)
def _key(seed: int, position: int) -> int:
    return key(seed, "transform", position)
