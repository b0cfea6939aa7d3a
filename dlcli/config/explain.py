"""Pydantic's errors → mistakes in our words, each at its place in the file.

The model, the file and the errors are walked together: an error's path holds labels of unions and types
beside keys, and only makes sense beside the annotations.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, NamedTuple, get_args

from pydantic_core import ErrorDetails
from pydantic_core.core_schema import ErrorType

from dlcli.config.forms import (
    Form,
    branches,
    child,
    entry,
    expectation,
    form_of,
    is_family,
    is_list,
    is_options,
    member,
    origin,
    unwrap,
)
from dlcli.config.nodes import Node
from dlcli.config.words import closest, did_you_mean, listed, quoted
from dlcli.errors import Mistake
from dlcli.options import Family, Options

_STANDARD = frozenset(get_args(ErrorType))
Keys = tuple[str, ...]


class _Error(NamedTuple):
    """One of pydantic's errors, and what is left of its path."""

    loc: tuple[int | str, ...]
    details: ErrorDetails

    def custom(self) -> str | None:
        """The message, if a validator of ours wrote it."""
        if "error" in self.details.get("ctx", {}):
            return str(self.details["ctx"]["error"])
        return None if self.details["type"] in _STANDARD else self.details["msg"]


def explain(form: Form, root: Node, errors: Sequence[ErrorDetails]) -> list[Mistake]:
    """The mistakes of a file that was refused as ``form`` with these errors."""
    own = [_Error(error["loc"], error) for error in errors if not _inherited(error, errors)]
    found = dict.fromkeys(_walk(form, root, (), own))  # both halves of a Pair refuse its only number
    return list(found) or [root.at.mistake((), errors[0]["msg"])]


def _inherited(error: ErrorDetails, errors: Iterable[ErrorDetails]) -> bool:
    """Whether a key misses in `pretrain.optimiser` because it does in the one that this inherits from."""
    if error["type"] != "missing" or error["loc"][:2] != ("pretrain", "optimiser"):
        return False
    return any((other["type"], other["loc"]) == ("missing", error["loc"][1:]) for other in errors)


def _walk(form: Form, node: Node, keys: Keys, errors: Sequence[_Error]) -> Iterator[Mistake]:
    if len(forms := branches(form)) > 1:
        return _union(form, node, keys, errors)
    bare, _ = unwrap(forms[0])
    if is_family(bare):
        return _family(bare, node, keys, errors)
    if is_options(bare):
        return _options(bare, node, keys, errors)
    if is_list(bare) and isinstance(node.value, list):
        return _list(form, node, keys, errors)
    return (_value(form, node, keys, error) for error in errors)


def _value(form: Form, node: Node, keys: Keys, error: _Error) -> Mistake:
    """A value that is not what is expected."""
    if message := error.custom():
        return node.at.mistake(keys, message)
    expected = expectation(form)
    if error.details["type"] == "finite_number":
        expected = expected.replace("a number", "a finite number", 1)
    hint = ""
    if error.details["type"] == "literal_error" and isinstance(node.value, str):
        hint = did_you_mean(node.value, map(str, _choices(form)))
    return node.at.mistake(keys, f"found {node.written}, expected {expected}{hint}")


def _choices(form: Form) -> tuple[Any, ...]:
    """The words that a form offers."""
    return tuple(
        choice for branch in branches(form) if origin(bare := unwrap(branch)[0]) is Literal for choice in get_args(bare)
    )


def _union(form: Form, node: Node, keys: Keys, errors: Sequence[_Error]) -> Iterator[Mistake]:
    """Follow the one form that the value's shape fits, or say all that may stand here."""
    fitting = [branch for branch in branches(form) if _fits(unwrap(branch)[0], node)]
    if len(fitting) == 1:
        label = _label(unwrap(fitting[0])[0])
        within = [_Error(e.loc[1:], e.details) for e in errors if e.loc and label in str(e.loc[0])]
        if within:
            yield from _walk(fitting[0], node, keys, within)
            return
    yield _value(form, node, keys, min(errors, key=lambda e: e.details["type"] != "literal_error"))  # it suggests


def _fits(bare: Form, node: Node) -> bool:
    if isinstance(node.value, dict):
        return is_options(bare)
    return isinstance(node.value, list) and is_list(bare)


def _label(bare: Form) -> str:
    """What pydantic's name for a branch of a union contains."""
    if is_list(bare):
        return "tuple["
    return "_named()" if is_family(bare) else bare.__name__


def _list(form: Form, node: Node, keys: Keys, errors: Sequence[_Error]) -> Iterator[Mistake]:
    items = node.value if isinstance(node.value, list) else []
    for index, item in enumerate(items):
        within = [_Error(e.loc[1:], e.details) for e in errors if e.loc[:1] == (index,)]
        yield from _walk(child(form, node, index), item, (*keys, str(index)), within)
    whole = (e for e in errors if not e.loc or e.loc[0] not in range(len(items)))  # a Pair misses its second item
    yield from (_value(form, node, keys, e) for e in whole)


def _family(family: type[Family], node: Node, keys: Keys, errors: Sequence[_Error]) -> Iterator[Mistake]:
    """The first thing in a path within a family is the member's type."""
    defaulted = family.default_type is not None and isinstance(node.value, dict) and "type" not in node.value
    if not defaulted:  # else the type is inherited, and a mistake where it stands
        yield from (_type(family, node, keys, error) for error in errors if not error.loc)
    if (chosen := member(family, node)) is not None:
        within = [_Error(error.loc[1:], error.details) for error in errors if error.loc]
        yield from _options(chosen, node, keys, within)


def _type(family: type[Family], node: Node, keys: Keys, error: _Error) -> Mistake:
    """A missing or unknown type, or a value that could have none."""
    if message := error.custom():
        return node.at.mistake(keys, message)
    types = [*family.members(), *family.type_spellings()]
    culprit = node
    if isinstance(node.value, dict):
        if "type" not in node.value:
            for key in node.value:
                if closest(key, ["type"]):
                    return node.value[key].at.mistake((*keys, key), "unknown key (did you mean `type`?)")
            return node.at.mistake((*keys, "type"), f"missing; expected {expectation(family)}")
        culprit, keys = node.value["type"].node, (*keys, "type")
    hint = did_you_mean(culprit.value, types) if isinstance(culprit.value, str) else ""
    return culprit.at.mistake(keys, f"found {culprit.written}, expected {expectation(family)}{hint}")


def _options(options: type[Options], node: Node, keys: Keys, errors: Sequence[_Error]) -> Iterator[Mistake]:
    for error in errors:
        if not error.loc:
            yield _whole(options, node, keys, error)
    unknown = {str(e.loc[0]) for e in errors if len(e.loc) == 1 and e.details["type"] == "extra_forbidden"}
    spellings = options.spellings()
    choices = [*options.model_fields, *spellings]
    meant = {spellings.get(guess, guess) for key in unknown if (guess := closest(key, choices))}
    for name in dict.fromkeys(str(error.loc[0]) for error in errors if error.loc):
        within = [_Error(error.loc[1:], error.details) for error in errors if error.loc[:1] == (name,)]
        found = entry(options, node, name)
        field = options.model_fields.get(name)
        if found and field:
            yield from _walk(form_of(field), found[1].node, (*keys, found[0]), within)
        elif found:
            hint = did_you_mean(name, choices) or f"; expected {listed(map(quoted, options.model_fields))}"
            yield found[1].at.mistake((*keys, found[0]), f"unknown key{hint}")
        elif field and within[0].details["type"] == "missing" and name not in meant:
            others = [quoted(other) for other, own in spellings.items() if own == name]
            also = f" (also spelt {listed(others)})" if others else ""
            yield node.at.mistake((*keys, name), f"missing{also}; expected {expectation(form_of(field))}")
        # else it is inherited from where it is a mistake already, or misses because its key is misspelt


def _whole(options: type[Options], node: Node, keys: Keys, error: _Error) -> Mistake:
    """What is wrong with a mapping as a whole; a validator may name the key that it is about."""
    culprit = entry(None, node, str(error.details.get("ctx", {}).get("key")))
    if culprit and (message := error.custom()):
        return culprit[1].at.mistake((*keys, culprit[0]), message)
    return _value(options, node, keys, error)
