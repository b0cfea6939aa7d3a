"""dlcli's batches, as training takes them."""

import itertools
from collections.abc import Iterator
from typing import Any

import numba
import numpy as np

from bench.data_path import find
from bench.workers.serve import Made
from dlcli.data.options import DataOptions
from dlcli.data.pipeline import Batch, BatchSource, Epoch, fitted, order


def prepare(threads: int) -> dict[str, Any]:
    numba.set_num_threads(threads)
    return {}


def make(job: dict[str, Any]) -> Made:
    """The next batch of an endless training on random bytes."""
    path = find(job["path"])
    x = np.random.default_rng(1).integers(0, 256, (path.samples, *path.shape), np.uint8)
    options = DataOptions.model_validate({"source": "bundled", "transform": list(path.transforms)})
    statistics = fitted(options.transform, x)
    source = BatchSource(x, np.arange(path.samples) % 10, options.transform, statistics)

    def batches() -> Iterator[Batch]:
        for number in itertools.count():
            sequence = order(1, "data", number, path.samples)
            yield from source.iterate(path.batch, sequence, epoch=Epoch(1, number))

    endless = batches()
    return Made({"dlcli": lambda: next(endless)}, {})
