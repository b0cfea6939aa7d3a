"""Checkpoint files: safetensors, written so that a reader sees the old one or the new one, and checked when read.

One file holds everything that must agree: parameters, momentum, statistics of the transforms, and a JSON record of
where training stands. A BLAKE2 sum over the record and every tensor tells a damaged file from a whole one.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from dlcli.errors import CheckpointError, EnvironmentFailure
from dlcli.layers.base import Array

FORMAT = 1  # raised when a reader of the former could misread a file of the new
SUFFIX = ".safetensors"
LARGEST_HEADER = 25_000_000  # bytes


@dataclass(frozen=True)
class Checkpoint:
    """Tensors by name, and the record that goes with them."""

    tensors: dict[str, Array]
    record: dict[str, Any]

    def take(self, name: str, into: Array, path: Path) -> None:
        """Copy one tensor into an array of the same shape and type.

        Raises
        ------
        CheckpointError: it is missing, or of another shape or type.
        """
        found = self.tensors.get(name)
        if found is None:
            raise CheckpointError(f"{path}: tensor {name!r} is missing")
        if found.shape != into.shape or found.dtype != into.dtype:
            raise CheckpointError(
                f"{path}: tensor {name!r}: found {found.dtype} {list(found.shape)}, "
                f"expected {into.dtype} {list(into.shape)}"
            )
        np.copyto(into, found)


def save(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint; ``path`` is the old file or the whole new one at every instant.

    Raises
    ------
    EnvironmentFailure: the disk refuses; the file that was there is untouched.
    """
    # safetensors scrambles strided arrays silently, so every one is made contiguous first.
    tensors = {name: np.ascontiguousarray(array) for name, array in sorted(checkpoint.tensors.items())}
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
        size = path.stat().st_size
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > min(size - 8, LARGEST_HEADER):
            raise CheckpointError(f"{path}: damaged: a header of {length} bytes in a file of {size}")
        with safetensors.safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            if "record" not in metadata:
                raise CheckpointError(f"{path}: not a dlcli checkpoint: it has no record")
            if metadata.get("format") != str(FORMAT):
                found = metadata.get("format")
                raise CheckpointError(f"{path}: found checkpoint format {found!r}, expected {FORMAT}")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        record = metadata["record"]
        if metadata.get("sum") != _sum(record, tensors):
            raise CheckpointError(f"{path}: damaged: its checksum does not match its contents")
        return Checkpoint(tensors, json.loads(record))
    except FileNotFoundError as error:
        raise CheckpointError(f"{path}: there is no such checkpoint") from error
    except OSError as error:
        raise CheckpointError(f"{path}: {error.strerror or error}") from error
    except (safetensors.SafetensorError, ValueError, TypeError, KeyError) as error:
        raise CheckpointError(f"{path}: not a checkpoint, or damaged: {error}") from error


def replace_file(path: Path, data: bytes) -> None:
    """Write a file so that ``path`` names the old contents or the new at every instant, and after a power cut."""
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
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
