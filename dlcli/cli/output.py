"""Results on stdout: JSON that every reader takes, or aligned text."""

import io
import json
import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from dlcli.layers.base import Array


def print_json(value: Any) -> None:
    """Print one line of JSON; NaN and infinity, which JSON lacks, become null."""
    click.echo(json.dumps(finite(value), ensure_ascii=False, allow_nan=False))


def print_line(value: Any) -> None:
    """The same for one line of many: the reader has it at once."""
    sys.stdout.write(json.dumps(finite(value), ensure_ascii=False, allow_nan=False) + "\n")
    sys.stdout.flush()


def finite(value: Any) -> Any:
    """The value with null for every number that is not finite."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return value


def write_npz(path: Path, arrays: "Mapping[str, Array]") -> None:
    """Write an NPZ file, the same bytes for the same arrays; the old file stays until the new one is whole."""
    import numpy as np

    from dlcli.training.checkpoint import replace_file

    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **arrays)
    replace_file(path, file.getvalue())
