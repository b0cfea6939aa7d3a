"""Samples → batches: order, gathering, conversion, transforms; into buffers that are used again."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from dlcli.data.base import Transform
from dlcli.layers.base import Array, Shape
from dlcli.random import generator


class Batch(NamedTuple):
    """x: (n, …) transformed samples; y: (n,) int64 class indices or (n, outputs) targets, (n, 0) if there are none."""

    x: Array
    y: Array


class BatchSource:
    """Samples that come in batches. One thread at a time may use it.

    Parameters
    ----------
    x: (N, …) samples, of any real type; a file's, or a layer's outputs.
    y: (N,) class indices or (N, outputs) targets, if there are any.
    transforms: applied in this order.
    statistics: the transforms' statistics, under the names ``<index>/<name>``.
    """

    def __init__(
        self,
        x: Array,
        y: Array | None = None,
        transforms: Sequence[Transform] = (),
        statistics: Mapping[str, Array] | None = None,
    ) -> None:
        self.x, self.y = x, np.empty((len(x), 0), np.float32) if y is None else y
        self._steps = [
            (transform, {name: (statistics or {})[f"{index}/{name}"] for name in transform.statistics(shape)})
            for index, (transform, shape) in enumerate(zip(transforms, shapes(transforms, x.shape[1:]), strict=False))
        ]
        self.sample_shape = shapes(transforms, x.shape[1:])[-1]
        self._raw = np.empty(0, x.dtype)  # gathered samples that are still to be converted

    def __len__(self) -> int:
        return len(self.x)

    def batches(self, batch_size: int) -> int:
        """Number of batches, the last partial one included."""
        return -(-len(self) // batch_size)

    def buffers(self, size: int, dtype: npt.DTypeLike = np.float32) -> Batch:
        """Uninitialised buffers that `fill` takes for ``size`` samples; class indices stay int64."""
        x = np.empty((size, *self.sample_shape), dtype)
        return Batch(x, np.empty((size, *self.y.shape[1:]), dtype if self.y.dtype.kind == "f" else self.y.dtype))

    def fill(self, indices: Array | slice, x_out: Array, y_out: Array | None = None) -> None:
        """Write the samples at ``indices``, transformed, to ``x_out`` (contiguous), and their targets."""
        if not isinstance(indices, slice):
            _check(indices, len(self))
        self._fill(indices, x_out, y_out)

    def iterate(
        self, batch_size: int, order: Array | None = None, dtype: npt.DTypeLike = np.float32
    ) -> Iterator[Batch]:
        """Batches of the samples at the indices in ``order`` (default: as they stand), the last one partial.

        The batches are views of one pair of buffers: each is overwritten when the next one is asked for.
        """
        if order is not None:
            _check(order, len(self))
        count = len(self) if order is None else len(order)
        whole = self.buffers(min(batch_size, count), dtype)
        for start in range(0, count, batch_size):
            stop = min(start + batch_size, count)
            size = stop - start
            batch = whole if size == len(whole.x) else Batch(whole.x[:size], whole.y[:size])
            self._fill(slice(start, stop) if order is None else order[start:stop], *batch)
            yield batch

    def _fill(self, indices: Array | slice, x_out: Array, y_out: Array | None) -> None:
        if not x_out.flags.c_contiguous:
            raise ValueError("x_out must be contiguous")
        x = x_out.reshape(len(x_out), *self.x.shape[1:])
        if isinstance(indices, slice) or x.dtype == self.x.dtype:
            _gather(self.x, indices, x)
        else:  # bytes are gathered as bytes
            if x.size > self._raw.size:
                self._raw = np.empty(x.size, self.x.dtype)
            raw = self._raw[: x.size].reshape(x.shape)
            _gather(self.x, indices, raw)
            np.copyto(x, raw, casting="unsafe")
        for transform, statistics in self._steps:
            x = transform.apply(x, statistics)
        if y_out is not None:
            _gather(self.y, indices, y_out)


def _check(indices: Array, samples: int) -> None:
    if len(indices) and not 0 <= indices.min() <= indices.max() < samples:
        raise IndexError(f"indices from {indices.min()} to {indices.max()}, expected 0 to {samples - 1}")


def _gather(source: Array, indices: Array | slice, out: Array) -> None:
    """Write the samples at indices that have been checked; without a copy where ``source`` is contiguous."""
    if isinstance(indices, slice):
        np.copyto(out, source[indices], casting="unsafe")
    elif out.dtype == source.dtype and source.flags.c_contiguous:
        source.take(indices, 0, out, "clip")  # mode "raise" would make a copy
    else:
        np.copyto(out, source[indices], casting="unsafe")


def shapes(transforms: Sequence[Transform], shape: Shape) -> list[Shape]:
    """Shape of a sample before each transform, and after the last."""
    result = [tuple(shape)]
    for transform in transforms:
        result.append(transform.output_shape(result[-1]))
    return result


def order(seed: int, stage: str, epoch: int, samples: int, shuffle: bool = True) -> npt.NDArray[np.int64]:
    """(samples,) int64: the order of the training samples in an epoch, a function of the arguments alone."""
    if not shuffle:
        return np.arange(samples, dtype=np.int64)
    return generator(seed, "order", stage, epoch).permutation(samples).astype(np.int64, copy=False)
