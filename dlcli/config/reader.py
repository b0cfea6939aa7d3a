"""YAML text → nodes: PyYAML's events, counted before anything is built, and its traps closed.

Only the pure-Python parser is used: the C one crashes on deep nesting. Scalars mean what YAML 1.2's core
schema says.
"""

from collections.abc import Iterator
from typing import Any

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from dlcli.config.nodes import Entry, Node, Position, mapping, scalar
from dlcli.config.words import quoted
from dlcli.errors import ConfigError, Mistake

MAX_BYTES = 500_000  # read in less than a second; GoogLeNet takes about 30,000
MAX_DEPTH = 50
MAX_NODES = 10_000  # about ten times GoogLeNet's config; an alias counts for all that it stands for


def read(text: str, file: str, *, keys: tuple[str, ...] = (), shift: int = 0) -> tuple[Node | None, list[Mistake]]:
    """Read one YAML document.

    Parameters
    ----------
    text: the document.
    file: its name in messages.
    keys: where in the config the document belongs.
    shift: characters that stand before the text on its first line.

    Returns
    -------
    The document (None where there is none), and the mistakes that did not keep it from being read on.

    Raises
    ------
    ConfigError: the text is no YAML, holds several documents, or passes one of the caps.
    """
    return _Reader(text, file, keys, shift).document()


def decode(content: bytes, file: str) -> str:
    """UTF-8, with or without a byte order mark, to text; raises `ConfigError` at the place of a bad byte."""
    if len(content) > MAX_BYTES:
        message = f"found more than {MAX_BYTES:,} bytes, expected a config of at most that size"
        raise ConfigError([Position(file, 1, 1).mistake((), message)])
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8", "replace")
        message = f"found the byte 0x{content[error.start]:02x}, expected text in UTF-8"
        raise ConfigError([_end(before, file).mistake((), message)]) from error


def _end(text: str, file: str, shift: int = 0) -> Position:
    """The place after ``text``."""
    lines = text.replace("\r\n", "\n").split("\n")
    return Position(file, len(lines), len(lines[-1]) + 1 + (shift if len(lines) == 1 else 0))


class _Reader:
    def __init__(self, text: str, file: str, keys: tuple[str, ...], shift: int) -> None:
        self._text, self._file, self._shift = text, file, shift
        self._top, self._keys = keys, list(keys)
        self._mistakes: list[Mistake] = []
        self._anchors: dict[str, tuple[Node, int]] = {}  # a finished node and how many it consists of
        self._depth = self._count = 0
        self._last = Position(file, 1, 1 + shift)
        self._events = self._capped()

    def document(self) -> tuple[Node | None, list[Mistake]]:
        root: Node | None = None
        for event in self._events:
            if not isinstance(event, DocumentStartEvent):
                continue
            if root is not None:
                self._refuse(self._at(event), "found a second document, expected one")
            root = self._node(next(self._events))
        return root, self._mistakes

    def _capped(self) -> Iterator[Any]:
        """The events, with PyYAML's complaints in our words, as long as they stay below the caps."""
        try:
            for event in yaml.parse(self._text, Loader=yaml.SafeLoader):
                self._last = self._at(event)
                self._depth += isinstance(event, SequenceStartEvent | MappingStartEvent)
                self._depth -= isinstance(event, SequenceEndEvent | MappingEndEvent)
                self._check_depth(self._depth)
                if isinstance(event, ScalarEvent | SequenceStartEvent | MappingStartEvent):
                    self._charge(1)
                yield event
        except yaml.reader.ReaderError as error:
            place = _end(self._text[: error.position], self._file, self._shift)
            self._refuse(place, f"found the character U+{error.character:04X}, which YAML does not allow")
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            self._refuse(self._place(mark) if mark else self._last, _syntax(error))
        except (ValueError, OverflowError) as error:  # such as an escape beyond Unicode's last character
            self._refuse(self._last, f"not valid YAML after this: {error}")

    def _check_depth(self, depth: int) -> None:
        if depth > MAX_DEPTH:
            self._refuse(self._last, f"found more than {MAX_DEPTH} levels of nesting, expected at most that")

    def _charge(self, nodes: int) -> None:
        self._count += nodes
        if self._count > MAX_NODES:
            message = f"found more than {MAX_NODES:,} values, aliases counted in full, expected at most that"
            self._refuse(self._last, message)

    def _refuse(self, at: Position, message: str) -> None:
        raise ConfigError([*self._mistakes, at.mistake(self._top, message)])

    def _note(self, at: Position, message: str, *more_keys: str) -> None:
        self._mistakes.append(at.mistake((*self._keys, *more_keys), message))

    def _at(self, event: Any) -> Position:
        return self._place(event.start_mark)

    def _place(self, mark: yaml.Mark) -> Position:
        shift = self._shift if mark.line == 0 else 0
        return Position(self._file, mark.line + 1, mark.column + 1 + shift)

    def _node(self, event: Any) -> Node:
        if isinstance(event, AliasEvent):
            return self._alias(event)
        if event.tag is not None:
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            self._note(self._at(event), f"found the tag {quoted(tag)}, expected none: a config needs no tags")
        before = self._count - 1
        if isinstance(event, MappingStartEvent):
            node = self._mapping(event)
        elif isinstance(event, SequenceStartEvent):
            node = self._sequence(event)
        else:
            node = self._scalar(event)
        if event.anchor is not None:
            self._anchors[event.anchor] = node, self._count - before
        return node

    def _alias(self, event: Any) -> Node:
        if event.anchor not in self._anchors:
            alias = quoted("*" + event.anchor)
            self._refuse(self._at(event), f"found the alias {alias}, expected `&{event.anchor}` before it")
        node, count = self._anchors[event.anchor]
        self._charge(count)
        self._check_depth(self._depth + node.height())
        return node

    def _scalar(self, event: ScalarEvent) -> Node:
        at = self._at(event)
        if event.style is not None:  # quoted, or a block of text
            return Node(at, event.value, quoted(f'"{event.value}"'))
        return Node(at, scalar(event.value), quoted(event.value) if event.value else "nothing")

    def _sequence(self, event: SequenceStartEvent) -> Node:
        items: list[Node] = []
        while not isinstance(following := next(self._events), SequenceEndEvent):
            self._keys.append(str(len(items)))
            items.append(self._node(following))
            self._keys.pop()
        return Node(self._at(event), items, f"a list of {len(items)}" if items else "an empty list")

    def _mapping(self, event: MappingStartEvent) -> Node:
        entries: dict[str, Entry] = {}
        while not isinstance(following := next(self._events), MappingEndEvent):
            at = self._at(following)
            if not isinstance(following, ScalarEvent):
                self._note(at, "found a key that is a list, a mapping or an alias, expected a word")
                self._node(following)
                self._node(next(self._events))
                continue
            key = following.value
            self._keys.append(key)
            node = self._node(next(self._events))
            self._keys.pop()
            if key == "<<":
                self._note(at, "merge keys are not read: write the merged keys out", key)
            elif key in entries:
                self._note(at, f"duplicate key, given on line {entries[key].at.line} already", key)
            else:
                entries[key] = Entry(at, node)
        return mapping(self._at(event), entries)


def _syntax(error: yaml.MarkedYAMLError) -> str:
    problem = error.problem or "cannot be read"
    if "'\\t'" in problem:
        return "found a tab, expected spaces: YAML is indented with spaces alone"
    context = f", {error.context}" if error.context else ""
    if error.context_mark and error.problem_mark and error.context_mark.line != error.problem_mark.line:
        context += f" that begins on line {error.context_mark.line + 1}"
    return f"not valid YAML: {problem}{context}"
