"""A trained network, taken from a run or a checkpoint alone: to evaluate, and to predict with."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from dlcli.config.experiment import Experiment
from dlcli.data.options import CROP, Split, has_crop
from dlcli.data.pipeline import BatchSource, check_statistics, prepare
from dlcli.errors import CheckpointError, DataError, MisfitError, UsageError
from dlcli.graph import Graph
from dlcli.layers.base import Array, Shape
from dlcli.network import Network
from dlcli.training.checkpoint import Checkpoint, load
from dlcli.training.measure import TOP, mean_probabilities, measure
from dlcli.training.run_directory import find_checkpoint
from dlcli.training.session import TRANSFORM, kept_by, notes_of


@dataclass(frozen=True)
class Trained:
    """What a checkpoint holds: a network in evaluation mode, and how its inputs and outputs are to be read.

    ``raw_shape`` is that of a sample before the transforms, whose ``statistics`` were fitted in training. ``models``
    is what pretraining has kept beside the network (see `Objective.kept`), and ``notes`` what it says of that.
    """

    experiment: Experiment
    network: Network
    classes: tuple[int | str, ...]
    task: str
    raw_shape: Shape
    statistics: dict[str, Array]
    path: Path
    record: dict[str, Any]
    models: dict[str, Array]
    notes: dict[str, Any] = field(default_factory=dict)

    def source(self, x: Array) -> BatchSource:
        """Raw samples (N, …) as the network takes them."""
        return BatchSource(x, None, self.experiment.data.transform, self.statistics)

    def with_crops(self, crops: int | None) -> "Trained":
        """The same, evaluated on so many crops of each image; None: as many as its config says.

        Raises
        ------
        UsageError: the images are not cropped, or there are no classes.
        """
        data = self.experiment.data
        if crops is None:
            return self
        if crops > 1 and not has_crop(data.transform):
            raise UsageError(f"found {crops} crops, {CROP} in the config")
        if crops > 1 and self.task == "regression":
            raise UsageError(f"found {crops} crops for a regression; expected 1: there are no probabilities to average")
        data = data.model_copy(update={"test_crops": crops})
        return replace(self, experiment=self.experiment.model_copy(update={"data": data}))


def open_run(run: Path, which: str | None = None) -> Trained:
    """Load a run directory's checkpoint (best, else last, unless ``which`` says) or a checkpoint file.

    Raises
    ------
    CheckpointError: there is none, or it is damaged or inconsistent.
    """
    path = find_checkpoint(run, which)
    checkpoint = load(path)
    record = checkpoint.record
    try:
        experiment = Experiment.model_validate(record["experiment"])
        classes, task = tuple(record["classes"]), str(record["task"])
        raw_shape, sample_shape = tuple(record["raw_shape"]), tuple(record["sample_shape"])
        graph = Graph.build(experiment.network, sample_shape, [loss.input for loss in experiment.heads])
        statistics = _statistics(checkpoint, path)
        check_statistics(experiment.data.transform, raw_shape, statistics)
        if task != "regression":
            experiment.main_loss.check(graph.output_shape, "classification", len(classes))
    except (ValueError, KeyError, TypeError, MisfitError, DataError) as error:
        raise CheckpointError(f"{path}: its record is not one of this version of dlcli: {error}") from error
    # The file's own arrays are used: however large a network the record claims, no more memory is taken.
    shapes = {name: spec.shape for name, spec in graph.parameters.items()}
    shapes |= {name: spec.shape for name, spec in graph.state.items()}
    parameters = {name: checkpoint.tensor(name, shape, np.float32, path) for name, shape in shapes.items()}
    network = Network(graph, seed=experiment.seed, parameters=parameters)
    return Trained(
        experiment=experiment,
        network=network,
        classes=classes,
        task=task,
        raw_shape=raw_shape,
        statistics=statistics,
        path=path,
        record=record,
        models=kept_by(path, checkpoint),
        notes=notes_of(path, checkpoint),
    )


def own_data(trained: Trained, split: Split | None = None) -> tuple[Split, BatchSource]:
    """A part of the data that the run's config names: the test set, else the validation set, unless ``split`` says.

    Raises
    ------
    UsageError: the data have no such split.
    DataError: they are not such data as the network was trained on.
    """
    data = prepare(trained.experiment.data, trained.statistics)
    found, expected = (data.raw_shape, data.classes), (trained.raw_shape, trained.classes)
    if found != expected:
        raise DataError(
            f"found samples of shape {list(found[0])} in {len(found[1])} classes, expected shape {list(expected[0])} "
            f"and the {len(expected[1])} classes of {trained.path}"
        )
    sources: dict[Split, BatchSource | None] = {"train": data.train, "validation": data.validation, "test": data.test}
    split = split or ("test" if data.test is not None else "validation")
    source = sources[split]
    if source is None:
        there = ", ".join(name for name, own in sources.items() if own is not None)
        raise UsageError(f"the data have no {split} set; expected one of: {there}")
    return split, source


def evaluate(trained: Trained, split: Split | None = None) -> dict[str, Any]:
    """Loss, errors and confusion on the test set (else the validation set, unless ``split`` says).

    Returns what ``dlcli evaluate --json`` prints; for what it raises see `own_data`.
    """
    split, source = own_data(trained, split)
    options = trained.experiment.data
    measured = measure(trained.network, trained.experiment.main_loss, source, options.batch_size, options.test_crops)
    result: dict[str, Any] = {"split": split, "samples": len(source), "loss": measured.loss}
    if measured.targets is None or measured.predicted is None:
        return result | dict.fromkeys(("error", "top5_error", "confusion", "classes"))
    many = len(trained.classes) > TOP
    return result | {
        "error": measured.error,
        "top5_error": measured.top_error(TOP) if many else None,
        **_per_class(measured.targets, measured.predicted, trained.classes),
    }


def predict(trained: Trained, batches: Iterable[Array]) -> Iterator[dict[str, Any]]:
    """One JSON object per raw sample, in order; each batch is (N, …) of the raw shape.

    A classification gives ``index``, ``label``, ``probability`` and ``top``; a regression ``index`` and ``output``.
    """
    index = 0
    loss, crops = trained.experiment.main_loss, trained.experiment.data.test_crops
    for x in batches:
        source, whole = trained.source(x), slice(0, len(x))
        if trained.task == "regression":
            (batch,) = source.iterate(len(x))
            for row in trained.network.forward(batch.x).reshape(len(x), -1):
                yield {"index": index, "output": [json_number(value) for value in row]}
                index += 1
            continue
        for row in mean_probabilities(trained.network, loss, source, whole, crops):
            top = [[trained.classes[place], json_number(row[place])] for place in np.argsort(-row, kind="stable")[:TOP]]
            yield {"index": index, "label": top[0][0], "probability": top[0][1], "top": top}
            index += 1


def json_number(value: float | np.floating) -> float | None:
    """A number that JSON can hold: in seven digits, as many as float32 has; null for NaN and infinity."""
    return float(f"{value:.7g}") if np.isfinite(value) else None


def json_numbers(array: Array) -> Any:
    """The same for an array, as nested lists."""
    return [json_numbers(row) for row in array] if array.ndim else json_number(array.item())


def _per_class(targets: Array, predicted: Array, classes: tuple[int | str, ...]) -> dict[str, Any]:
    """Confusion (rows: the true class) with each class's precision and recall, null where nothing was counted."""
    confusion = np.zeros((len(classes), len(classes)), np.int64)
    np.add.at(confusion, (targets, predicted), 1)
    hits, true, found = np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
    table = [
        {
            "label": label,
            "precision": float(hits[i] / found[i]) if found[i] else None,
            "recall": float(hits[i] / true[i]) if true[i] else None,
            "samples": int(true[i]),
        }
        for i, label in enumerate(classes)
    ]
    return {"confusion": confusion.tolist(), "classes": table}


def _statistics(checkpoint: Checkpoint, path: Path) -> dict[str, Array]:
    kept = ((name, array) for name, array in checkpoint.tensors.items() if name.startswith(TRANSFORM))
    return {
        name.removeprefix(TRANSFORM): checkpoint.tensor(name, array.shape, np.float32, path) for name, array in kept
    }
