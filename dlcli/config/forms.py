"""What the models expect at a place of the file: a field's annotation, read beside the node that fills it."""

from collections.abc import Iterable, Sequence
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen
from pydantic.fields import FieldInfo

from dlcli.config.nodes import Entry, Node, Position
from dlcli.config.words import listed, quoted
from dlcli.options import Family, Options

Form = Any  # a type annotation
_NOUNS = {int: "a whole number", float: "a number", str: "text"}
_BOUNDS = (
    (Ge, "ge", "of at least"),
    (Gt, "gt", "above"),
    (MinLen, "min_length", "of at least"),
    (Le, "le", "of at most"),
    (Lt, "lt", "below"),
    (MaxLen, "max_length", "of at most"),
)


def origin(form: Form) -> Any:
    """What a generic annotation is made of: `tuple`, `Literal`, `Union` …"""
    return get_origin(form)


def unwrap(form: Form) -> tuple[Form, list[Any]]:
    """An annotation without `Annotated`, and the constraints that it carried."""
    constraints: list[Any] = []
    while origin(form) is Annotated:
        form, *metadata = get_args(form)
        for item in metadata:
            constraints += item.metadata if isinstance(item, FieldInfo) else [item]
    return form, constraints


def form_of(field: FieldInfo) -> Form:
    """A field's annotation, constraints and all."""
    return Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation


def branches(form: Form) -> list[Form]:
    """The alternatives that a union offers, null aside; of anything else, itself."""
    bare, _ = unwrap(form)
    if origin(bare) in (Union, UnionType):
        return [branch for branch in get_args(bare) if branch is not NoneType]
    return [form]


def is_family(form: Form) -> bool:
    """Whether any member of a family may stand here."""
    return is_options(form) and issubclass(form, Family) and form.chooses()


def is_options(form: Form) -> bool:
    """Whether a mapping of options may stand here."""
    return isinstance(form, type) and issubclass(form, Options)


def is_list(form: Form) -> bool:
    """Whether a list may stand here."""
    return origin(form) is tuple


def member(family: type[Family], node: Node) -> type[Options] | None:
    """The member of a family that the node names, if there is one of that name."""
    name: Any = node.value
    if isinstance(name, dict):
        name = name["type"].node.value if "type" in name else family.default_type
    if not isinstance(name, str):
        return None
    return family.members().get(family.type_spellings().get(name, name))


def options_of(form: Form, node: Node) -> type[Options] | None:
    """The options whose keys the node holds or, if it is empty so far, would hold."""
    for branch in branches(form):
        bare, _ = unwrap(branch)
        found = member(bare, node) if is_family(bare) else bare
        if is_options(found):
            return found
    return None


def entry(options: type[Options] | None, node: Node, name: str) -> tuple[str, Entry] | None:
    """The entry of a mapping that gives the option ``name``, under whichever spelling."""
    if not isinstance(node.value, dict):
        return None
    spellings = options.spellings() if options else {}
    for key, found in node.value.items():
        if spellings.get(key, key) == spellings.get(name, name):
            return key, found
    return None


def child(form: Form, node: Node, name: str | int) -> Form:
    """What is expected of an option or an item of a node; None where nothing is."""
    if isinstance(name, int):
        lists = [bare for branch in branches(form) if is_list(bare := unwrap(branch)[0])]
        return get_args(lists[0])[0] if lists else None
    options = options_of(form, node)
    field = options.model_fields.get(options.spellings().get(name, name)) if options else None
    return form_of(field) if field else None


def locate(form: Form, node: Node, path: Sequence[str | int]) -> tuple[Position, tuple[str, ...]]:
    """Where the value at ``path`` stands, or where it would be; keys as the file spells them."""
    keys: list[str] = []
    for name in path:
        following: Node | None = None
        key = str(name)
        if isinstance(name, int) and isinstance(node.value, list) and name < len(node.value):
            following = node.value[name]
        elif isinstance(name, str) and (found := entry(options_of(form, node), node, name)):
            key, following = found[0], found[1].node
        keys.append(key)
        if following is None:
            keys += map(str, path[len(keys) :])
            break
        form, node = child(form, node, name), following
    return node.at, tuple(keys)


def expectation(form: Form) -> str:
    """What a form expects, in words: ``a whole number of at least 1``."""
    bare, constraints = unwrap(form)
    if origin(bare) in (Union, UnionType):
        return ", or ".join(map(expectation, get_args(bare)))
    if bare is NoneType:
        return "null"
    if origin(bare) is Literal:
        return listed(map(quoted, get_args(bare)))
    if bare is bool:
        return "true or false"
    if is_family(bare):
        return f"one of the types {listed(map(quoted, bare.members()))}"
    if is_options(bare):
        return f"a mapping with {listed(map(quoted, bare.model_fields))}"
    if is_list(bare) and (items := get_args(bare))[-1] is not Ellipsis:  # a Pair
        return f"{expectation(items[0])}, or a list of {len(items)} such"
    noun = "a list" if is_list(bare) else _NOUNS.get(bare, "a value")
    return noun + _bounds(constraints)


def _bounds(constraints: Iterable[Any]) -> str:
    words = []
    for item in constraints:
        words += [f"{text} {getattr(item, name)}" for kind, name, text in _BOUNDS if isinstance(item, kind)]
        if pattern := getattr(item, "pattern", None):
            words.append(f"that matches `{pattern}`")
    return f" {listed(words, 'and')}" if words else ""
