"""Losses and errors over a data set, the same however it is cut into batches."""

from dataclasses import dataclass

import numpy as np

from dlcli.data.pipeline import BatchSource
from dlcli.data.windows import VIEWS, View
from dlcli.layers.base import Array
from dlcli.losses.base import Loss, rows
from dlcli.network import Network

TOP = 5  # classes that a prediction may name


@dataclass(frozen=True)
class Measured:
    """Per sample, in the data's order; only losses for a regression.

    losses: (N,) float64. targets, predicted: (M,) int64 classes, of the samples that errors count: all of them,
    unless the loss ignores a class. ranks: (M,) int64, how many classes scored higher than the true one. outputs: how
    many the network has for a sample.
    """

    losses: Array
    targets: Array | None
    predicted: Array | None
    ranks: Array | None
    outputs: int = 1

    @property
    def loss(self) -> float:
        return float(self.losses.mean())

    @property
    def error(self) -> float | None:
        """Share of misclassified samples; 0 where none counts."""
        return None if self.predicted is None else _share(self.predicted != self.targets)

    def top_error(self, k: int) -> float | None:
        """Share of samples whose class is not among the k best."""
        return None if self.ranks is None else _share(self.ranks >= k)

    def metrics(self) -> dict[str, float]:
        """``loss`` and, for a classification, ``error`` and, of more than 5 classes, ``top5_error``."""
        top5 = self.top_error(TOP) if self.outputs > TOP else None
        found = {"loss": self.loss, "error": self.error, "top5_error": top5}
        return {name: value for name, value in found.items() if value is not None}


def measure(network: Network, loss: Loss, source: BatchSource, batch_size: int, crops: int = 1) -> Measured:
    """Pass a data set through the network in evaluation mode.

    With several ``crops`` of each image (see `dlcli.data.windows.VIEWS`; for classes only), all is that of the mean of
    their probabilities p; the loss of a sample is then −log p of its class.
    """
    if crops > 1:
        return _measure_crops(network, loss, source, batch_size, crops)
    losses = np.empty(len(source))
    targets, predicted, ranks = (np.empty(len(source), np.int64) for _ in range(3))
    classes, done, counted, units = False, 0, 0, 1
    for batch in source.iterate(batch_size, dtype=network.dtype):
        part = slice(done, done + len(batch.x))
        outputs = network.forward(batch.x)
        units = outputs[0].size
        loss.evaluate(outputs, batch.y, losses[part])
        if classes := batch.y.dtype == np.int64:
            own, counts = batch.y, loss.counted(batch.y)
            if counts is not None:
                outputs, own = rows(outputs)[counts], own[counts]
            part = slice(counted, counted + len(own))
            targets[part] = own
            ranks[part] = _ranks(outputs, own, predicted_classes(outputs, predicted[part]))
            counted = part.stop
        done += len(batch.x)
    if not classes:
        return Measured(losses, None, None, None)
    return Measured(losses, targets[:counted], predicted[:counted], ranks[:counted], units)


def _measure_crops(network: Network, loss: Loss, source: BatchSource, batch_size: int, crops: int) -> Measured:
    losses = np.empty(len(source))
    predicted, ranks, units = np.empty(len(source), np.int64), np.empty(len(source), np.int64), 1
    for start in range(0, len(source), batch_size):
        part = slice(start, min(start + batch_size, len(source)))
        targets, p = source.y[part], mean_probabilities(network, loss, source, part, crops)
        with np.errstate(divide="ignore"):  # a class that none of the crops allows for
            losses[part] = -np.log(np.take_along_axis(p, targets[:, None], axis=1)[:, 0])
        ranks[part] = _ranks(p, targets, predicted_classes(p, predicted[part]))
        units = p.shape[1]
    return Measured(losses, source.y, predicted, ranks, units)


def mean_probabilities(network: Network, loss: Loss, source: BatchSource, part: slice, crops: int) -> Array:
    """(n, classes) float64: the classes' probabilities for a few samples, averaged over crops of each."""
    buffers = source.buffers(part.stop - part.start, network.dtype)

    def probabilities(view: View) -> Array:
        source.fill(part, *buffers, view=view)
        return loss.probabilities(network.forward(buffers.x))

    first, *others = VIEWS[crops]
    return sum(map(probabilities, others), probabilities(first)) / crops


def predicted_classes(outputs: Array, out: Array | None = None) -> Array:
    """(N,) int64: the class of the highest output; of a single output, whether it is positive."""
    flat = rows(outputs)
    if out is None:
        out = np.empty(len(flat), np.int64)
    if flat.shape[1] == 1:
        np.greater(flat[:, 0], 0, out=out)
    else:
        flat.argmax(1, out)
    return out


def _share(which: Array) -> float:
    return float(np.mean(which)) if len(which) else 0.0


def _ranks(outputs: Array, targets: Array, predicted: Array) -> Array:
    """How many classes scored higher than the true one; NaN scores higher than all."""
    flat = rows(outputs)
    if flat.shape[1] == 1:
        return np.asarray(predicted != targets, np.int64)
    own = np.take_along_axis(flat, targets[:, None], axis=1)
    return np.asarray(np.sum(~(flat <= own), axis=1))
