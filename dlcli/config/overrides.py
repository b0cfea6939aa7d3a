"""``--set KEY=VALUE``: values that replace those of the file, and go through the same checks."""

from dlcli.config.consistency import layer_names
from dlcli.config.forms import Form, branches, child, entry, is_family, options_of, unwrap
from dlcli.config.nodes import Entry, Node, Position, mapping
from dlcli.config.reader import read
from dlcli.config.words import did_you_mean, quoted
from dlcli.errors import ConfigError, Mistake

FILE = "--set"


def override(form: Form, root: Node, text: str) -> tuple[Node, list[Mistake]]:
    """A copy of ``root`` in which ``text``, KEY=VALUE, is done, and the mistakes found in the value.

    KEY is dotted; an item of a list is called by its index, a layer by its name too. Missing mappings are made.

    Raises
    ------
    ConfigError: the text is no KEY=VALUE, VALUE is no YAML, or KEY leads through something without keys.
    """
    key, equals, written = text.partition("=")
    if not key or not equals or "" in key.split("."):
        message = f"found {quoted(text)}, expected KEY=VALUE, such as sgd.learning_rate=0.1"
        raise ConfigError([Position(FILE, 1, 1).mistake((), message)])
    keys = key.split(".")
    value, mistakes = read(written, FILE, keys=tuple(keys), shift=len(key) + 1)
    nothing = Node(Position(FILE, 1, len(text) + 1), None, "nothing")
    return _put(form, root, (), keys, value or nothing), mistakes


def _put(form: Form, node: Node, before: tuple[str, ...], keys: list[str], value: Node) -> Node:
    """A copy of ``node`` that holds ``value`` at ``keys``."""
    if not keys:
        return value
    key, *rest = keys
    at = Position(FILE, 1, len(".".join((*before, ""))) + 1)
    here = (*before, key)
    if isinstance(node.value, list):
        index = _index(node.value, at, here)
        items = list(node.value)
        items[index] = _put(child(form, node, index), items[index], here, rest, value)
        return Node(node.at, items, node.written)
    node = _opened(form, node)
    if not isinstance(node.value, dict):
        message = f"found {node.written} on {node.at.file}:{node.at.line}, which has no keys of its own"
        raise ConfigError([at.mistake(here, message)])
    spelt, found = entry(options_of(form, node), node, key) or (key, Entry(at, Node(at, None, "nothing")))
    new = Entry(found.at, _put(child(form, node, key), found.node, here, rest, value))
    return mapping(node.at, node.value | {spelt: new})


def _opened(form: Form, node: Node) -> Node:
    """A node that stands for a mapping, as one: nothing, or the bare name of a type."""
    if node.value is None:
        return mapping(node.at, {})
    if isinstance(node.value, str) and any(is_family(unwrap(branch)[0]) for branch in branches(form)):
        return mapping(node.at, {"type": Entry(node.at, node)})
    return node


def _index(items: list[Node], at: Position, keys: tuple[str, ...]) -> int:
    """The item of a list that a key means."""
    key = keys[-1]
    if key.isascii() and key.isdigit():
        if len(key) < 9 and int(key) < len(items):
            return int(key)
        message = f"found the index {quoted(key)}, expected at most {len(items) - 1}"
        raise ConfigError([at.mistake(keys, message)])
    called = layer_names([item.plain() for item in items])
    if key in called:
        return called.index(key)
    message = f"found {quoted(key)}, expected an index or a layer's name{did_you_mean(key, called)}"
    raise ConfigError([at.mistake(keys, message)])
