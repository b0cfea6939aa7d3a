"""Samples → batches: order, gathering, conversion, transforms; into buffers that are used again."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import prod
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from dlcli.data.base import Transform
from dlcli.data.chain import Chain, gather, piece
from dlcli.data.draws import Epoch
from dlcli.data.windows import CENTRE, View
from dlcli.layers.base import Array
from dlcli.random import generator

TARGET_BYTES = 8 << 20  # float32 samples that are looked at together as targets


class Batch(NamedTuple):
    """x: (n, …) transformed samples; y: (n,) int64 class indices or (n, outputs) targets, (n, 0) if there are none.

    Where the samples are their own targets, y is x itself.
    """

    x: Array
    y: Array

    def at(self, x: Array) -> "Batch":
        """The same targets, with samples that stand in another array, which are their own targets where they were."""
        return Batch(x, x if self.y is self.x else self.y)


class BatchSource:
    """Samples that come in batches. One thread at a time may use it.

    Parameters
    ----------
    x: (M, …) samples, of any real type; a file's, or a layer's outputs.
    y: (M,) class indices or (M, outputs) targets, if there are any; ``input``: the transformed samples.
    transforms: applied in this order.
    statistics: the transforms' statistics, under the names ``<index>/<name>``.
    rows: (N,) int64, which of the M samples these are, in their order; None: all. No sample is copied.

    Attributes
    ----------
    y: (N,) or (N, outputs) targets; (N, 0) where there are none, or none that are stored.
    sample_shape: of a transformed sample.
    """

    def __init__(
        self,
        x: Array,
        y: Array | Literal["input"] | None = None,
        transforms: Sequence[Transform] = (),
        statistics: Mapping[str, Array] | None = None,
        rows: Array | None = None,
    ) -> None:
        self._x, self._rows = x, rows
        self._of_input = isinstance(y, str)
        stored = y if isinstance(y, np.ndarray) else np.empty((len(x), 0), np.float32)
        self.y: Array = stored if rows is None else stored[rows]
        self._chain = Chain(transforms, x.shape[1:], statistics or {})
        self.sample_shape = self._chain.shape

    @property
    def x(self) -> Array:
        """(N, …) the samples as they are stored."""
        return self._x if self._rows is None else self._x[self._rows]

    def __len__(self) -> int:
        return len(self.y)

    def targets(self) -> Iterator[Array]:
        """The targets (n, …), as they are stored, or, where they are the transformed samples, a part at a time."""
        if not self._of_input:
            yield self.y
            return
        for batch in self.iterate(max(1, TARGET_BYTES // (4 * prod(self.sample_shape)))):
            yield batch.y

    def batches(self, batch_size: int) -> int:
        """Number of batches, the last partial one included."""
        return -(-len(self) // batch_size)

    def buffers(self, size: int, dtype: npt.DTypeLike = np.float32) -> Batch:
        """Uninitialised buffers that `fill` takes for ``size`` samples; class indices stay int64."""
        x = np.empty((size, *self.sample_shape), dtype)
        if self._of_input:
            return Batch(x, x)
        return Batch(x, np.empty((size, *self.y.shape[1:]), dtype if self.y.dtype.kind == "f" else self.y.dtype))

    def fill(
        self,
        indices: Array | slice,
        x_out: Array,
        y_out: Array | None = None,
        *,
        epoch: Epoch | None = None,
        view: View = CENTRE,
    ) -> None:
        """Write the samples at ``indices``, transformed, to ``x_out`` (contiguous), and their targets.

        In an ``epoch`` of training random transforms draw their numbers; else they do what they do in evaluation, and
        crops show the ``view``. A slice has a start and a stop and no step.
        """
        if not isinstance(indices, slice):
            _check(indices, len(self))
        self._fill(indices, x_out, y_out, epoch, view)

    def iterate(
        self,
        batch_size: int,
        order: Array | None = None,
        dtype: npt.DTypeLike = np.float32,
        *,
        epoch: Epoch | None = None,
        room: Callable[[int], Array | None] | None = None,
    ) -> Iterator[Batch]:
        """Batches of the samples at the indices in ``order`` (default: as they stand), the last one partial.

        The batches are views of one pair of buffers: each is overwritten when the next one is asked for. ``room`` may
        give an array of so many samples, flat or not, to be x instead. For ``epoch`` see `fill`.
        """
        if order is not None:
            _check(order, len(self))
        indices = slice(0, len(self)) if order is None else order
        count = len(self) if order is None else len(order)
        whole = self.buffers(min(batch_size, count), dtype)
        for start in range(0, count, batch_size):
            size = min(batch_size, count - start)
            batch = whole if size == len(whole.x) else _leading(whole, size)
            lent = None if room is None else room(size)
            if lent is not None and lent.dtype == batch.x.dtype:
                batch = batch.at(lent.reshape(batch.x.shape))
            self._fill(piece(indices, slice(start, start + size)), *batch, epoch, CENTRE)
            yield batch

    def _fill(self, indices: Array | slice, x_out: Array, y_out: Array | None, epoch: Epoch | None, view: View) -> None:
        if not x_out.flags.c_contiguous:
            raise ValueError("x_out must be contiguous")
        rows = indices if self._rows is None else self._rows[indices]
        samples = np.arange(indices.start, indices.stop) if isinstance(indices, slice) else indices
        self._chain.write(self._x, rows, x_out, samples, epoch, view)
        if self._of_input:
            if y_out is not None and y_out is not x_out:
                np.copyto(y_out, x_out)
        elif y_out is not None:
            gather(self.y, indices, y_out)


def _leading(batch: Batch, size: int) -> Batch:
    """The first samples of a batch; y stays x where it is."""
    x = batch.x[:size]
    return Batch(x, x if batch.y is batch.x else batch.y[:size])


def _check(indices: Array, samples: int) -> None:
    if len(indices) and not 0 <= indices.min() <= indices.max() < samples:
        raise IndexError(f"indices from {indices.min()} to {indices.max()}, expected 0 to {samples - 1}")


def order(seed: int, stage: str, epoch: int, samples: int, shuffle: bool = True) -> npt.NDArray[np.int64]:
    """(samples,) int64: the order of the training samples in an epoch, a function of the arguments alone."""
    if not shuffle:
        return np.arange(samples, dtype=np.int64)
    return generator(seed, "order", stage, epoch).permutation(samples).astype(np.int64, copy=False)
