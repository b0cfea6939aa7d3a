"""What a config file holds, before it means anything: values, each with the place where it stands."""

import re
from dataclasses import dataclass
from typing import Any, NamedTuple

from dlcli.errors import Mistake

INTEGER = re.compile(r"[-+]?[0-9]{1,400}")
FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_BASED = re.compile(r"0o[0-7]{1,400}|0x[0-9a-fA-F]{1,400}")
_SPECIAL: dict[str, bool | float | None] = {
    **dict.fromkeys(["", "~", "null", "Null", "NULL"]),
    **dict.fromkeys(["true", "True", "TRUE"], True),
    **dict.fromkeys(["false", "False", "FALSE"], False),
    **dict.fromkeys([".nan", ".NaN", ".NAN"], float("nan")),
    **{sign + name: float(sign + "inf") for sign in ("", "+", "-") for name in (".inf", ".Inf", ".INF")},
}


class Position(NamedTuple):
    """A place in a file; lines and columns count from 1."""

    file: str
    line: int
    column: int

    def mistake(self, keys: tuple[str, ...], message: str) -> Mistake:
        """A mistake that stands here."""
        return Mistake(*self, key=".".join(keys), message=message)


@dataclass(frozen=True, slots=True)
class Node:
    """A value of the file; ``written`` is what messages show of it."""

    at: Position
    value: "str | int | float | bool | dict[str, Entry] | list[Node] | None"
    written: str

    def plain(self) -> Any:
        """The bare value: mappings, lists and scalars."""
        if isinstance(self.value, dict):
            return {key: entry.node.plain() for key, entry in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value

    def height(self) -> int:
        """Levels of nesting, a scalar's being 0."""
        if isinstance(self.value, dict):
            return 1 + max((entry.node.height() for entry in self.value.values()), default=0)
        if isinstance(self.value, list):
            return 1 + max((node.height() for node in self.value), default=0)
        return 0


class Entry(NamedTuple):
    """A key's place in a mapping, and its value."""

    at: Position
    node: Node


def scalar(text: str) -> str | int | float | bool | None:
    """What an unquoted scalar means: YAML 1.2's core schema.

    Unlike PyYAML's own YAML 1.1, ``1e-3`` is a number, ``010`` is ten, ``no`` and ``1:30`` are text. An
    integer of more than 400 digits stays text, since no option takes one.
    """
    if text in _SPECIAL:
        return _SPECIAL[text]
    if INTEGER.fullmatch(text):
        return int(text)
    if _BASED.fullmatch(text):
        return int(text, 0)
    if FLOAT.fullmatch(text):
        return float(text)
    return text


def mapping(at: Position, entries: dict[str, Entry]) -> Node:
    """A node that holds ``entries``."""
    return Node(at, entries, "a mapping")
