"""Checkpoint files: safetensors, written so that a reader sees the old one or the new one; checked when read.

One file holds everything that must agree: parameters, momentum, statistics of the transforms, and a JSON record
of where training stands. A BLAKE2 sum over the record and every tensor tells a damaged file from a whole one.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors
import safetensors.numpy

from dlcli.errors import CheckpointError, EnvironmentFailure
from dlcli.layers.base import Array, Shape

FORMAT = 1  # raised when a reader of the former could misread a file of the new
SUFFIX = ".safetensors"
LARGEST_HEADER = 25_000_000  # bytes
MOST_TENSORS = 10_000  # a network of a thousand layers has fewer; reading many more takes seconds


@dataclass(frozen=True)
class Checkpoint:
    """Tensors by name, and the record that goes with them."""

    tensors: dict[str, Array]
    record: dict[str, Any]

    def tensor(self, name: str, shape: Shape, dtype: npt.DTypeLike, path: Path) -> Array:
        """One tensor, as it was read.

        Raises
        ------
        CheckpointError: it is missing, of another shape or type than expected, or not finite.
        """
        found, dtype = self.tensors.get(name), np.dtype(dtype)
        if found is None:
            raise CheckpointError(f"{path}: tensor {name!r} is missing")
        if found.shape != shape or found.dtype != dtype:
            raise CheckpointError(
                f"{path}: tensor {name!r}: found {found.dtype} {list(found.shape)}, expected {dtype} {list(shape)}"
            )
        if not np.isfinite(found).all():
            raise CheckpointError(f"{path}: tensor {name!r} holds values that are not finite")
        return found

    def take(self, arrays: Mapping[str, Array], path: Path) -> None:
        """Copy tensors into the arrays of their names, all or none; raises as `tensor` does."""
        found = {name: self.tensor(name, into.shape, into.dtype, path) for name, into in arrays.items()}
        for name, into in arrays.items():
            np.copyto(into, found[name])


def save(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint; ``path`` is the old file or the whole new one at every instant.

    Raises
    ------
    EnvironmentFailure: the disk refuses; the file that was there is untouched.
    """
    # safetensors scrambles strided arrays silently, so every one is made contiguous first.
    tensors = {name: np.asarray(array, order="C") for name, array in sorted(checkpoint.tensors.items())}
    record = json.dumps(checkpoint.record, sort_keys=True, allow_nan=False)
    metadata = {"format": str(FORMAT), "record": record, "sum": _sum(record, tensors)}
    replace_file(path, safetensors.numpy.save(tensors, metadata=metadata))


def load(path: Path) -> Checkpoint:
    """Read a checkpoint.

    Raises
    ------
    CheckpointError: not a checkpoint, damaged, or of a newer format.
    """
    try:
        if path.exists() and not path.is_file():
            raise CheckpointError(f"{path}: not a checkpoint: it is no regular file")
        size = path.stat().st_size
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > min(size - 8, LARGEST_HEADER):
            raise CheckpointError(f"{path}: damaged: a header of {length} bytes in a file of {size}")
        record, tensors = _read(path)
    except FileNotFoundError as error:
        raise CheckpointError(f"{path}: there is no such checkpoint") from error
    except OSError as error:
        raise CheckpointError(f"{path}: {error.strerror or error}") from error
    except (safetensors.SafetensorError, ValueError, TypeError, AttributeError, RecursionError) as error:
        # AttributeError: an element type that NumPy lacks; RecursionError: JSON nested too deeply.
        raise CheckpointError(f"{path}: not a checkpoint, or damaged: {error}") from error
    if not isinstance(record, dict):
        raise CheckpointError(f"{path}: not a dlcli checkpoint: its record is no JSON object")
    return Checkpoint(tensors, record)


def _read(path: Path) -> tuple[Any, dict[str, Array]]:
    """The record and the tensors of a file, which the checksum covers."""
    with safetensors.safe_open(path, framework="numpy") as file:
        metadata = file.metadata() or {}
        if "record" not in metadata:
            raise CheckpointError(f"{path}: not a dlcli checkpoint: it has no record")
        if metadata.get("format") != str(FORMAT):
            found = metadata.get("format")
            raise CheckpointError(f"{path}: found checkpoint format {found!r}, expected {FORMAT}")
        names = file.keys()
        if len(names) > MOST_TENSORS:
            raise CheckpointError(f"{path}: found {len(names):,} tensors, expected no more than {MOST_TENSORS:,}")
        tensors = {name: file.get_tensor(name) for name in names}
    record = metadata["record"]
    if metadata.get("sum") != _sum(record, tensors):
        raise CheckpointError(f"{path}: damaged: its checksum does not match its contents")
    return json.loads(record), tensors


def replace_file(path: Path, data: bytes) -> None:
    """Write a file so that ``path`` names the old or the new contents at every instant, and after a power cut.

    Raises
    ------
    EnvironmentFailure: the disk refuses.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise EnvironmentFailure(f"{path}: cannot write: {error.strerror or error}") from error


def sync_folder(folder: Path) -> None:
    """Make renames in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sum(record: str, tensors: Mapping[str, Array]) -> str:
    digest = hashlib.blake2b(f"{FORMAT}\n{record}\n".encode(), digest_size=32)
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype.str} {list(tensor.shape)}\n".encode())
        digest.update(np.ascontiguousarray(tensor).data.cast("B") if tensor.size else b"")
    return digest.hexdigest()
