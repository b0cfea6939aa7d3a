"""From the data section of a config to sources of batches."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dlcli.data.base import Transform
from dlcli.data.batches import Batch, BatchSource, order
from dlcli.data.chain import shapes
from dlcli.data.dataset import Samples
from dlcli.data.draws import Epoch
from dlcli.data.options import DataOptions
from dlcli.data.split import validation_rows
from dlcli.errors import DataError, MisfitError
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
    target_shape: of a target: () for a class index, (outputs,) for a regression, ``sample_shape`` where samples are
        their own targets.
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
    MisfitError: the validation set leaves nothing for training, a transform does not fit its samples, or a regression
        is to be tested on several crops.
    """
    dataset = options.source.load()
    of_input = options.targets == "input"
    task: Task = "regression" if of_input else dataset.task
    if options.test_crops > 1 and task == "regression":
        raise MisfitError(("data", "test_crops"), "expected 1 for a regression: there are no probabilities to average")
    sample_shape = shapes(options.transform, dataset.sample_shape)[-1]
    held_out = validation_rows(options, dataset)
    kept = np.setdiff1d(np.arange(len(dataset.train)), held_out) if len(held_out) else None
    if statistics is None:
        statistics = fitted(options.transform, dataset.train.x, kept)
    else:
        check_statistics(options.transform, dataset.sample_shape, statistics)

    def source(samples: Samples, rows: Array | None = None) -> BatchSource:
        return BatchSource(samples.x, "input" if of_input else samples.y, options.transform, statistics, rows)

    return Prepared(
        train=source(dataset.train, kept),
        validation=source(dataset.train, held_out) if len(held_out) else None,
        test=source(dataset.test) if dataset.test else None,
        classes=() if of_input else dataset.classes,
        task=task,
        raw_shape=dataset.sample_shape,
        sample_shape=sample_shape,
        target_shape=sample_shape if of_input else tuple(dataset.train.y.shape[1:]),
        statistics=dict(statistics),
        fingerprint=dataset.fingerprint(),
    )


def fitted(transforms: Sequence[Transform], x: Array, rows: Array | None = None) -> dict[str, Array]:
    """Statistics of the transforms, each fitted to the samples as the ones before it leave them in evaluation.

    ``x``, ``rows``: (M, …) and (N,), see `BatchSource`.
    """
    statistics: dict[str, Array] = {}
    batch_size = max(1, FIT_BYTES // (4 * x[0].size))
    for index, (transform, shape) in enumerate(zip(transforms, shapes(transforms, x.shape[1:]), strict=False)):
        if transform.statistics(shape):
            so_far = BatchSource(x, None, transforms[:index], statistics, rows)
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


__all__ = ["Batch", "BatchSource", "Epoch", "Prepared", "order", "prepare"]
