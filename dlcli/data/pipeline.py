"""From the data section of a config to sources of batches."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dlcli.data.base import Transform
from dlcli.data.batches import Batch, BatchSource, order, shapes
from dlcli.data.dataset import Samples
from dlcli.data.options import DataOptions
from dlcli.data.split import validation_rows
from dlcli.errors import DataError
from dlcli.layers.base import Array, Shape, Task

FIT_BYTES = 8 << 20  # float32 samples that a transform sees at a time when it is fitted


@dataclass(frozen=True)
class Prepared:
    """Data ready to train on.

    Attributes
    ----------
    train, validation, test: the splits; None where there is none.
    classes: class labels in the order of their indices; empty for a regression.
    task: "classification" or "regression".
    raw_shape, sample_shape: of a sample, before and after the transforms.
    target_shape: of a target: () for a class index, (outputs,) for a regression.
    statistics: float32 arrays of the fitted transforms, under the names ``<index>/<name>``.
    fingerprint: changes when the source's data do.
    """

    train: BatchSource
    validation: BatchSource | None
    test: BatchSource | None
    classes: tuple[int | str, ...]
    task: Task
    raw_shape: Shape
    sample_shape: Shape
    target_shape: Shape
    statistics: dict[str, Array]
    fingerprint: str


def prepare(options: DataOptions, statistics: Mapping[str, Array] | None = None) -> Prepared:
    """Load the source, split off the validation set, fit the transforms on what is left for training.

    Parameters
    ----------
    options: the data section.
    statistics: those of a checkpoint, taken instead of fitting.

    Raises
    ------
    DataError: the data, or statistics that don't fit them.
    MisfitError: the validation set leaves nothing for training.
    """
    dataset = options.source.load()
    train = dataset.train
    held_out = validation_rows(options, dataset)
    validation = None
    if len(held_out):
        validation = Samples(train.x[held_out], train.y[held_out])
        kept = np.ones(len(train), bool)
        kept[held_out] = False
        train = Samples(train.x[kept], train.y[kept])
    if statistics is None:
        statistics = fitted(options.transform, train.x)
    else:
        check_statistics(options.transform, dataset.sample_shape, statistics)

    def source(samples: Samples) -> BatchSource:
        return BatchSource(samples.x, samples.y, options.transform, statistics)

    return Prepared(
        train=source(train),
        validation=source(validation) if validation else None,
        test=source(dataset.test) if dataset.test else None,
        classes=dataset.classes,
        task=dataset.task,
        raw_shape=dataset.sample_shape,
        sample_shape=shapes(options.transform, dataset.sample_shape)[-1],
        target_shape=tuple(train.y.shape[1:]),
        statistics=dict(statistics),
        fingerprint=dataset.fingerprint(),
    )


def fitted(transforms: Sequence[Transform], x: Array) -> dict[str, Array]:
    """Statistics of the transforms, each fitted to the samples (N, …) as the ones before it leave them."""
    statistics: dict[str, Array] = {}
    batch_size = max(1, FIT_BYTES // (4 * x[0].size))
    for index, (transform, shape) in enumerate(zip(transforms, shapes(transforms, x.shape[1:]), strict=False)):
        if transform.statistics(shape):
            so_far = BatchSource(x, None, transforms[:index], statistics)
            found = transform.fit(batch.x for batch in so_far.iterate(batch_size))
            statistics |= {f"{index}/{name}": array for name, array in found.items()}
    return statistics


def check_statistics(transforms: Sequence[Transform], shape: Shape, statistics: Mapping[str, Array]) -> None:
    """Raise `DataError` where statistics are not those of samples of this shape."""
    for index, (transform, before) in enumerate(zip(transforms, shapes(transforms, shape), strict=False)):
        for name, expected in transform.statistics(before).items():
            array = statistics.get(f"{index}/{name}")
            if array is None or array.shape != expected:
                found = "none" if array is None else f"shape {list(array.shape)}"
                raise DataError(
                    f"data.transform.{index}: {name} kept from training: found {found}, "
                    f"expected {list(expected)} for samples of shape {list(shape)}"
                )


__all__ = ["Batch", "BatchSource", "Prepared", "order", "prepare"]
