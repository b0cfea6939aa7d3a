"""Results on stdout: JSON that every reader takes, or aligned text."""

import json
import math
from typing import Any

import click


def print_json(value: Any) -> None:
    """Print one line of JSON; NaN and infinity, which JSON lacks, become null."""
    click.echo(json.dumps(finite(value), ensure_ascii=False, allow_nan=False))


def finite(value: Any) -> Any:
    """The value with null for every number that is not finite."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return value
