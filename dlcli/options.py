"""The base of everything a user writes: typed, frozen, documented, refused when unknown.

Two ideas serve the whole project. `Options` is a mapping in the YAML file. `Family` is a mapping that is
chosen by its ``type`` (a layer, a loss, a schedule …): a subclass registers itself under the literal of its
``type`` field, in a module of the family's package, and nothing else has to be edited.
"""

import importlib
import pkgutil
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, Self, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, GetCoreSchemaHandler, model_validator
from pydantic_core import PydanticCustomError, core_schema


@dataclass(frozen=True)
class Also:
    """Metadata of a field: other spellings under which the file may name it."""

    names: tuple[str, ...]

    def __init__(self, *names: str) -> None:
        object.__setattr__(self, "names", names)


class Options(BaseModel):
    """A mapping in the config file: strict types, no unknown keys, no NaN, immutable once read."""

    model_config = ConfigDict(
        frozen=True, strict=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True,
        validate_default=True,
    )  # fmt: skip

    @classmethod
    def spellings(cls) -> dict[str, str]:
        """Other spellings of this mapping's keys → the field's own name."""
        return {
            other: name
            for name, field in cls.model_fields.items()
            for also in field.metadata
            if isinstance(also, Also)
            for other in also.names
        }

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
    """Options chosen by `type`. A subclass that names its `package` is a family; a subclass of that, a member.

    A field annotated with the family accepts any member, written as a mapping with its ``type`` or, when no
    option needs a value, as the type's bare name (``loss: softmax_cross_entropy``).
    """

    package: ClassVar[str]  # the package whose modules hold the members, one each
    default_type: ClassVar[str | None] = None  # the type of a mapping that names none
    also_called: ClassVar[tuple[str, ...]] = ()  # other spellings of a member's type
    _members: ClassVar[dict[str, type["Family"]]]

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        if "package" in cls.__dict__:
            cls._members = {}
        elif "type" in cls.model_fields:
            (name,) = get_args(cls.model_fields["type"].annotation)
            if name in cls._members:
                raise TypeError(f"{cls.__name__}: type {name!r} is taken by {cls._members[name].__name__}")
            cls._members[name] = cls

    @classmethod
    def members(cls) -> dict[str, type[Self]]:
        """Every member of the family by its YAML type, in alphabetical order; imports their modules."""
        for module in pkgutil.iter_modules(importlib.import_module(cls.package).__path__):
            importlib.import_module(f"{cls.package}.{module.name}")
        return dict(sorted(cls._members.items()))  # type: ignore[arg-type]

    @classmethod
    def type_spellings(cls) -> dict[str, str]:
        """Other spellings of the family's types → the type's own name."""
        return {other: name for name, member in cls.members().items() for other in member.also_called}

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        if "_members" not in cls.__dict__:  # a member, or the family itself while its class is being made
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
