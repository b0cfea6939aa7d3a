"""Made-up data, for benchmarks and tests."""

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from dlcli.data.base import Source
from dlcli.data.dataset import Dataset, Samples
from dlcli.data.memory import allocate
from dlcli.layers.base import Array
from dlcli.options import Count, Listed, Positive
from dlcli.random import generator


class Synthetic(Source):
    """Gaussian clusters, one a class, as many samples in each (± 1): their centres are drawn from N(0, 1)."""

    type: Literal["synthetic"] = "synthetic"
    shape: Annotated[tuple[Count, ...], Listed, Field(min_length=1)]
    """Shape of a sample, e.g. `[28, 28, 1]`."""
    classes: Annotated[int, Field(ge=2)] = 10
    """Number of classes."""
    samples: Count = 1000
    """Training samples."""
    test_samples: Annotated[int, Field(ge=0)] = 200
    """Test samples."""
    deviation: Positive = 1.0
    """Standard deviation of the samples around their class's centre."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of the draw."""

    def load(self) -> Dataset:
        present = min(self.classes, max(self.samples, self.test_samples))  # the others would only take memory
        centres = allocate((present, *self.shape), np.float32, "data.source")
        generator(self.seed, "synthetic", "centres").standard_normal(out=centres, dtype=np.float32)
        train = self._samples("train", self.samples, centres)
        test = self._samples("test", self.test_samples, centres) if self.test_samples else None
        return Dataset(train, test, tuple(range(self.classes)))

    def _samples(self, split: str, count: int, centres: Array) -> Samples:
        random = generator(self.seed, "synthetic", split)
        x = allocate((count, *self.shape), np.float32, "data.source")
        y = random.permutation(np.arange(count) % self.classes)
        random.standard_normal(out=x, dtype=np.float32)
        x *= self.deviation
        for i, label in enumerate(y):
            x[i] += centres[label]
        return Samples(x, y)
