"""Which training samples are held out for validation."""

import numpy as np

from dlcli.data.dataset import Dataset
from dlcli.data.options import DataOptions, Tail
from dlcli.errors import MisfitError
from dlcli.layers.base import Array
from dlcli.random import generator


def stratified(labels: Array, count: int, random: np.random.Generator) -> Array:
    """Indices, ascending, of ``count`` samples drawn without replacement in the classes' proportions.

    Each class gives the whole part of its quota; what is missing comes, one each, from the classes with the
    largest remainders (of equal ones, the smaller label's first). Classes draw in the order of their labels.

    Parameters
    ----------
    labels: (N,) integers.
    count: from 0 to N.
    """
    classes, sizes = np.unique(labels, return_counts=True)
    shares, remainders = np.divmod(sizes * count, len(labels))
    missing = count - int(shares.sum())
    shares[np.argsort(-remainders, kind="stable")[:missing]] += 1
    drawn = [
        random.choice(np.flatnonzero(labels == label), share, replace=False)
        for label, share in zip(classes, shares, strict=True)
    ]
    return np.sort(np.concatenate(drawn))


def validation_rows(options: DataOptions, dataset: Dataset) -> Array:
    """Indices, ascending, of the training samples held out; raises `MisfitError` where none would be left."""
    wanted, samples = options.validation, len(dataset.train)
    if isinstance(wanted, Tail):
        count = wanted.tail
    elif isinstance(wanted, float) and wanted > 0:
        count = max(1, round(wanted * samples))
    else:
        count = int(wanted)
    if count >= samples:
        raise MisfitError(
            ("data", "validation"),
            f"found {count:,} samples, expected fewer than the {samples:,} for training",
        )
    if isinstance(wanted, Tail):
        return np.arange(samples - count, samples)
    labels = dataset.train.y if dataset.task == "classification" else np.zeros(samples, np.int64)
    return stratified(labels, count, generator(options.split_seed, "validation"))
