"""The base of everything a user writes: typed, frozen, documented, refused when unknown.

Two ideas serve the whole project. `Options` is a mapping in the YAML file. `Family` is a mapping that is
chosen by its ``type`` (a layer, a loss, a schedule …): a subclass registers itself under the literal of its
``type`` field, in a module of the family's package, and nothing else has to be edited.
"""

import ast
import functools
import importlib
import inspect
import os
import pkgutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal, Self, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, GetCoreSchemaHandler, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError, core_schema

# Options mean the same whatever else is installed; and looking for plugins takes longer than reading a config.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")


@dataclass(frozen=True)
class Also:
    """Metadata of a field: other spellings under which the file may name it."""

    names: tuple[str, ...]

    def __init__(self, *names: str) -> None:
        object.__setattr__(self, "names", names)


class _DescribedFields:
    """The fields of options, each described by the docstring below it.

    Pydantic can do that as it makes a class (``use_attribute_docstrings``), but reading the sources of all options
    takes a third of a second, and only schemas, references and messages look at fields from outside.
    """

    def __get__(self, instance: object, owner: type["Options"]) -> dict[str, FieldInfo]:
        fields = owner.__pydantic_fields__
        if "_described" not in owner.__dict__:
            owner._described = True
            for name, text in _descriptions(owner).items():
                if name in fields:
                    fields[name].description = text
        return fields


class Options(BaseModel):
    """A mapping in the config file: strict types, no unknown keys, no NaN, immutable once read."""

    # Validators are built when first wanted: that of a whole config builds each family's once.
    model_config = ConfigDict(
        frozen=True, strict=True, extra="forbid", allow_inf_nan=False, validate_default=True, defer_build=True
    )

    model_fields: ClassVar = _DescribedFields()
    _described: ClassVar[bool]
    _spellings: ClassVar[dict[str, str]]

    @classmethod
    def spellings(cls) -> dict[str, str]:
        """Other spellings of this mapping's keys → the field's own name."""
        if "_spellings" not in cls.__dict__:
            cls._spellings = {
                other: name
                for name, field in cls.__pydantic_fields__.items()
                for also in field.metadata
                if isinstance(also, Also)
                for other in also.names
            }
        return cls._spellings

    @model_validator(mode="before")
    @classmethod
    def _one_spelling(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        spellings, result = cls.spellings(), {}
        for key, item in value.items():
            name = spellings.get(key, key)
            if name in result or (name != key and name in value):
                raise PydanticCustomError(
                    "two_spellings", "{key} and {name} are one option, given twice", {"key": key, "name": name}
                )
            result[name] = item
        return result


class Family(Options):
    """Options chosen by `type`. A subclass that names its `package` is a family; one with a `type`, a member.

    A subclass of a family without a type is a part of it: it stands for those members that are derived from it.

    A field annotated with the family accepts any member, written as a mapping with its ``type`` or, when no
    option needs a value, as the type's bare name (``loss: softmax_cross_entropy``).
    """

    package: ClassVar[str]  # the package whose modules hold the members, one each
    default_type: ClassVar[str | None] = None  # the type of a mapping that names none
    also_called: ClassVar[tuple[str, ...]] = ()  # other spellings of a member's type
    _members: ClassVar[dict[str, type["Family"]]]
    _chooses: ClassVar[bool]

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        if "package" in cls.__dict__:
            cls._members = {}
        if "type" not in cls.__pydantic_fields__:
            cls._chooses = True
        else:
            (name,) = get_args(cls.__pydantic_fields__["type"].annotation)
            if name in cls._members:
                raise TypeError(f"{cls.__name__}: type {name!r} is taken by {cls._members[name].__name__}")
            cls._members[name] = cls

    @classmethod
    def members(cls) -> dict[str, type[Self]]:
        """Every member of the family by its YAML type, in alphabetical order; imports their modules."""
        _import_all(cls.package)
        return {name: member for name, member in sorted(cls._members.items()) if issubclass(member, cls)}

    @classmethod
    def chooses(cls) -> bool:
        """Whether any of several members may stand where this class is expected."""
        return "_chooses" in cls.__dict__

    @classmethod
    def type_spellings(cls) -> dict[str, str]:
        """Other spellings of the family's types → the type's own name."""
        return {other: name for name, member in cls.members().items() for other in member.also_called}

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        if not cls.chooses():  # a member, or the family itself while its class is being made
            return handler(source)
        choices = {name: handler.generate_schema(member) for name, member in cls.members().items()}
        return core_schema.no_info_before_validator_function(
            cls._named, core_schema.tagged_union_schema(choices, discriminator="type", strict=True)
        )

    @classmethod
    def _named(cls, value: Any) -> Any:
        """Expand a bare name to its mapping, and other spellings of a type to its own name."""
        if isinstance(value, str):
            value = {"type": value}
        if isinstance(value, dict) and cls.default_type and "type" not in value:
            value = {"type": cls.default_type} | value
        if isinstance(value, dict) and isinstance(value.get("type"), str):
            return value | {"type": cls.type_spellings().get(value["type"], value["type"])}
        return value


@functools.cache
def _import_all(package: str) -> None:
    """Import every module of a package."""
    for module in pkgutil.iter_modules(importlib.import_module(package).__path__):
        importlib.import_module(f"{package}.{module.name}")


def _descriptions(options: type[Options]) -> dict[str, str | None]:
    """The docstring below each field, its own or inherited; None where there is none, or no source."""
    result: dict[str, str | None] = {}
    for owner in reversed(options.__mro__):
        if issubclass(owner, Options):
            found = _docstrings(owner.__module__).get(owner.__qualname__, {})
            result |= {name: found.get(name) for name in inspect.get_annotations(owner)}
    return result


@functools.cache
def _docstrings(module: str) -> dict[str, dict[str, str]]:
    """For each class of a module, the texts that follow annotated names in its body."""
    try:
        source = inspect.getsource(sys.modules[module])
    except (KeyError, OSError, TypeError):  # it has none
        return {}
    return {
        statement.name: dict(_described(statement.body))
        for statement in ast.parse(source).body
        if isinstance(statement, ast.ClassDef)
    }


def _described(body: list[ast.stmt]) -> Iterator[tuple[str, str]]:
    for statement, following in pairwise(body):
        match statement, following:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                yield name, inspect.cleandoc(text)


def _pair(value: Any) -> Any:
    """One number for both directions, or a list of two."""
    if isinstance(value, list | tuple):
        return tuple(value)
    return (value, value)


def _sequence(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, lt=1)]
Pair = Annotated[tuple[Count, Count], BeforeValidator(_pair, json_schema_input_type=int | list[int])]
Listed = BeforeValidator(_sequence)  # Annotated[tuple[X, ...], Listed]: a YAML list, kept immutable

__all__ = [
    "Also", "Annotated", "Count", "Family", "Field", "Listed", "Literal", "NonNegative", "Options", "Pair", "Positive",
    "Share",
]  # fmt: skip
