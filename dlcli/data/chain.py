"""The transforms of a data section, one after the other, from stored samples to a batch.

Spatial transforms that are neighbours become one window into the image, so that a crop and its mirror image are
gathered from bytes to floats in one pass. All else is done in place, on so few samples at a time that they stay in
the cache from one transform to the next.
"""

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from dlcli.data.base import InPlace, Spatial, Transform
from dlcli.data.draws import Draws, Epoch
from dlcli.data.windows import CENTRE, View, Windows
from dlcli.errors import MisfitError
from dlcli.kernels import images
from dlcli.layers.base import Array, Shape, ShapeError

CACHE = 1 << 20  # bytes of transformed samples that are worked on at a time


T = TypeVar("T", bound=Transform)


class _Placed(NamedTuple, Generic[T]):
    """A transform, its position in the chain, the shape of its input, and its statistics."""

    transform: T
    position: int
    shape: Shape
    statistics: dict[str, Array]


class _Pass:
    """Samples are fetched into a buffer, through windows if there are spatial transforms, and changed there."""

    def __init__(self, shape: Shape) -> None:
        self.windows: list[_Placed[Spatial]] = []
        self.changes: list[_Placed[InPlace]] = []
        self.shape = shape  # of the buffer's samples


class _Numbers(NamedTuple):
    """What is drawn for a whole batch: each pass's windows, and the random numbers of transforms by their position."""

    windows: list[Array | None]
    drawn: dict[int, Array]


class Chain:
    """Transforms in their order, for samples of one shape. One thread at a time may use it.

    Parameters
    ----------
    transforms: applied in this order.
    shape: of a stored sample.
    statistics: the transforms' statistics, under the names ``<index>/<name>``.

    Attributes
    ----------
    shape: of a transformed sample.
    """

    def __init__(self, transforms: Sequence[Transform], shape: Shape, statistics: Mapping[str, Array]) -> None:
        self._passes = [_Pass(shape)]
        placed = shapes(transforms, shape)
        self.shape = placed[-1]
        for position, transform in enumerate(transforms):
            before = placed[position]
            own = {name: statistics[f"{position}/{name}"] for name in transform.statistics(before)}
            if isinstance(transform, InPlace):
                self._passes[-1].changes.append(_Placed(transform, position, before, own))
            elif isinstance(transform, Spatial):
                self._window(_Placed(transform, position, before, own)).shape = placed[position + 1]
        crops = [position for position, t in enumerate(transforms) if isinstance(t, Spatial) and t.is_crop]
        self._crop = crops[-1] if crops else None  # the one that evaluation's views are of
        self._largest = max(prod(each) for each in placed)  # numbers of a sample, on its way
        self._buffers: dict[Any, Array] = {}

    def _window(self, spatial: _Placed[Spatial]) -> _Pass:
        """The pass that a spatial transform joins, or begins."""
        last = self._passes[-1]
        begins = spatial.transform.reads_whole and last.windows
        if last.changes or begins:
            self._passes.append(last := _Pass(spatial.shape))
        last.windows.append(spatial)
        return last

    def write(
        self, x: Array, rows: Array | slice, out: Array, samples: Array | None, epoch: Epoch | None, view: View
    ) -> None:
        """Write the samples at ``rows`` (checked) of x (N, …), transformed, to out (n, …), which is contiguous.

        ``samples`` are their indices in the training set, by which random numbers are drawn in an ``epoch`` (None: in
        evaluation). ``view`` is the crop that evaluation takes.
        """
        numbers = self._numbers(len(out), samples, epoch, view)
        step = max(1, CACHE // (self._largest * out.itemsize))
        for start in range(0, len(out), step):
            self._write_part(x, rows, out, numbers, slice(start, min(start + step, len(out))))

    def _numbers(self, n: int, samples: Array | None, epoch: Epoch | None, view: View) -> _Numbers:
        numbers = _Numbers([], {})

        def draws(position: int) -> Draws | None:
            return None if epoch is None or samples is None else Draws.of(epoch, position, samples)

        for each in self._passes:
            numbers.windows.append(None)
            if each.windows:
                windows = Windows(n)
                numbers.windows[-1] = windows.table
                for spatial, position, shape, _ in each.windows:
                    spatial.place(windows, shape, draws(position), view if position == self._crop else CENTRE)
            for change, position, shape, _ in each.changes:
                random = draws(position)
                if random is not None and (drawn := change.draw(random, shape)) is not None:
                    numbers.drawn[position] = drawn
        return numbers

    def _write_part(self, x: Array, rows: Array | slice, out: Array, numbers: _Numbers, part: slice) -> None:
        n = part.stop - part.start
        source, at = x, piece(rows, part)
        for place, each in enumerate(self._passes):
            last = place == len(self._passes) - 1
            batch = out[part].reshape(n, *each.shape) if last else self._buffer(place, (n, *each.shape), out.dtype)
            windows = numbers.windows[place]
            if windows is None:
                self._gather(source, at, batch)
            else:
                source, at = self._fit_for_windows(source, at, out.dtype)
                resamples = any(spatial.transform.resamples for spatial in each.windows)
                (images.resample if resamples else images.cut_out)(source, at, windows[part], batch)
            for change, position, _, statistics in each.changes:
                drawn = numbers.drawn.get(position)
                batch = change.apply(batch, statistics, None if drawn is None else drawn[part])
            source, at = batch, slice(0, n)

    def _fit_for_windows(self, source: Array, at: Array | slice, dtype: npt.DTypeLike) -> tuple[Array, Array]:
        """Samples that a kernel may read: of bytes or of the batch's type, and contiguous; and their indices."""
        if source.flags.c_contiguous and source.dtype in (np.uint8, dtype):
            return source, np.arange(at.start, at.stop) if isinstance(at, slice) else np.ascontiguousarray(at, np.int64)
        n = at.stop - at.start if isinstance(at, slice) else len(at)
        converted = self._buffer("converted", (n, *source.shape[1:]), dtype)
        self._gather(source, at, converted)
        return converted, np.arange(n)

    def _gather(self, source: Array, at: Array | slice, out: Array) -> None:
        """Write samples to a buffer of the batch's type; those of other types are gathered as they are first."""
        if isinstance(at, slice) or out.dtype == source.dtype:
            gather(source, at, out)
        else:
            raw = self._buffer("raw", out.shape, source.dtype)
            gather(source, at, raw)
            np.copyto(out, raw, casting="unsafe")

    def _buffer(self, place: Any, shape: Shape, dtype: npt.DTypeLike) -> Array:
        """Memory of the chain's own, which only grows."""
        size = prod(shape)
        buffer = self._buffers.get((place, dtype))
        if buffer is None or buffer.size < size:
            buffer = self._buffers[place, dtype] = np.empty(size, dtype)
        return buffer[:size].reshape(shape)


def piece(indices: Array | slice, part: slice) -> Array | slice:
    """A part of the indices; slices have a start and a stop and no step."""
    if isinstance(indices, slice):
        return slice(indices.start + part.start, indices.start + part.stop)
    return indices[part]


def gather(source: Array, indices: Array | slice, out: Array) -> None:
    """Write the samples at indices that have been checked; without a copy where ``source`` is contiguous."""
    if isinstance(indices, slice):
        np.copyto(out, source[indices], casting="unsafe")
    elif out.dtype == source.dtype and source.flags.c_contiguous:
        source.take(indices, 0, out, "clip")  # mode "raise" would make a copy
    else:
        np.copyto(out, source[indices], casting="unsafe")


def shapes(transforms: Sequence[Transform], shape: Shape) -> list[Shape]:
    """Shape of a sample before each transform, and after the last.

    Raises
    ------
    MisfitError: a transform cannot take what the one before it gives; the path is ``("data", "transform", index)``.
    """
    result = [tuple(shape)]
    for index, transform in enumerate(transforms):
        try:
            result.append(transform.output_shape(result[-1]))
        except ShapeError as error:
            raise MisfitError(("data", "transform", index), str(error)) from error
    return result
