"""Every form that an option can take, refused: what is said, and where."""

from typing import Annotated, Literal, Self

import pytest
from pydantic import ValidationError, field_validator, model_validator

from dlcli.config.explain import explain
from dlcli.config.forms import expectation, locate
from dlcli.config.reader import read
from dlcli.options import Also, Count, Field, Listed, NonNegative, Options, Pair, Share
from tests.config.pets.base import Pet


class Basket(Options):
    """A mapping within a mapping."""

    colour: Annotated[str, Also("color")] = "red"
    """Its colour."""
    size: Count
    """How many fit in."""

    @model_validator(mode="after")
    def _no_pink(self) -> Self:
        if self.colour == "pink":
            raise ValueError("pink baskets are sold out")
        return self


class Home(Options):
    """One option of every form."""

    count: Count = 1
    """A bounded whole number."""
    share: Share = 0.5
    """A number bounded on both sides."""
    flag: bool = False
    """A boolean."""
    size: Pair = (1, 1)
    """One number or two."""
    padding: Literal["valid", "same"] | Pair = "valid"
    """A word, or numbers."""
    fit: NonNegative | Literal["tight", "loose"] = 1.0
    """A number, or a word."""
    room: Literal["kitchen", "attic"] = "attic"
    """A word."""
    rooms: Annotated[tuple[Literal["kitchen", "attic"], ...], Listed] = ()
    """Words."""
    held: Share | Annotated[int, Field(ge=2)] | Basket = 0.5
    """Numbers, or a mapping."""
    speed: NonNegative | Pet = 1.0
    """A number, or a family."""
    basket: Basket | None = None
    """A mapping, or null."""
    pet: Pet = Field(default="cat", validate_default=True)
    """A family."""
    pets: Annotated[tuple[Pet, ...], Listed, Field(min_length=1, max_length=2)] | None = None
    """Several."""

    @field_validator("room")
    @classmethod
    def _attic_only(cls, room: str) -> str:
        if room == "kitchen":
            raise ValueError("the kitchen is being painted")
        return room


def mistakes(text: str) -> list[str]:
    root, _ = read(text, "f")
    with pytest.raises(ValidationError) as caught:
        Home.model_validate(root.plain())
    return [str(m).removeprefix("f:1:") for m in explain(Home, root, caught.value.errors(include_url=False))]


PADDING = "`valid` or `same`, or a whole number of at least 1, or a list of 2 such"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("count: 0", "8: count: found `0`, expected a whole number of at least 1"),
        ("count: 1.0", "8: count: found `1.0`, expected a whole number of at least 1"),
        ("share: 1", "8: share: found `1`, expected a number of at least 0 and below 1"),
        ("share: true", "8: share: found `true`, expected a number of at least 0 and below 1"),
        ("flag: 1", "7: flag: found `1`, expected true or false"),
        ("size: 0", "7: size: found `0`, expected a whole number of at least 1, or a list of 2 such"),
        ("size: [1]", "7: size: found a list of 1, expected a whole number of at least 1, or a list of 2 such"),
        ("size: [1, 0]", "11: size.1: found `0`, expected a whole number of at least 1"),
        ("padding: sane", f"10: padding: found `sane`, expected {PADDING} (did you mean `same`?)"),
        ("padding: -1", f"10: padding: found `-1`, expected {PADDING}"),
        ("padding: [0, 1]", "11: padding.0: found `0`, expected a whole number of at least 1"),
        ("padding: {}", f"10: padding: found a mapping, expected {PADDING}"),
        (
            "fit: tigt",
            "6: fit: found `tigt`, expected a number of at least 0, or `tight` or `loose` (did you mean `tight`?)",
        ),
        ("room: Atic", "7: room: found `Atic`, expected `kitchen` or `attic` (did you mean `attic`?)"),
        ("room: kitchen", "7: room: the kitchen is being painted"),
        ("rooms: [attic, sky]", "16: rooms.1: found `sky`, expected `kitchen` or `attic`"),
        ("rooms: attic", "8: rooms: found `attic`, expected a list"),
        (
            "held: x",
            "7: held: found `x`, expected a number of at least 0 and below 1, or a whole number of at least 2, or a "
            "mapping with `colour` or `size`",
        ),
        ("held: {size: 0}", "14: held.size: found `0`, expected a whole number of at least 1"),
        ("held: {siz: 1}", "8: held.siz: unknown key (did you mean `size`?)"),
        ("speed: -1", "8: speed: found `-1`, expected a number of at least 0, or one of the types `cat` or `dog`"),
        ("speed: {type: dog, walk: 0}", "26: speed.walk: found `0`, expected a number above 0"),
        (
            "speed: {type: dgo}",
            "15: speed.type: found `dgo`, expected one of the types `cat` or `dog` (did you mean `dog`?)",
        ),
        ("basket: 3", "9: basket: found `3`, expected a mapping with `colour` or `size`"),
        ("basket: {color: 1, size: 1}", "17: basket.color: found `1`, expected text"),
        ("basket: {color: pink, size: 1}", "9: basket: pink baskets are sold out"),
        ("basket: {color: a, colour: b, size: 1}", "10: basket.color: color and colour are one option, given twice"),
        ("basket: {}", "9: basket.size: missing; expected a whole number of at least 1"),
        ("pet: dog", "6: pet.walk: missing (also spelt `stroll`); expected a number above 0"),
        ("pet: {type: dog, stroll: x}", "26: pet.stroll: found `x`, expected a number above 0"),
        ("pet: {lifes: 3}", "7: pet.lifes: unknown key (did you mean `lives`?)"),
        ("pet: {type: kitten, walk: 1}", "21: pet.walk: unknown key; expected `type` or `lives`"),
        ("pet: 3", "6: pet: found `3`, expected one of the types `cat` or `dog`"),
        ("pet: kittn", "6: pet: found `kittn`, expected one of the types `cat` or `dog` (did you mean `kitten`?)"),
        ("pets: []", "7: pets: found an empty list, expected a list of at least 1 and of at most 2, or null"),
        ("pets: [cat, {lives: 0}]", "21: pets.1.lives: found `0`, expected a whole number of at least 1"),
        ("pets: [cat, 1]", "13: pets.1: found `1`, expected one of the types `cat` or `dog`"),
        ("zzz: 1", "1: zzz: unknown key; expected `count`, `share`, `flag`"),
    ],
)
def test_message(text, expected):
    found = mistakes(text)
    assert len(found) == 1
    assert found[0].startswith(expected)


def test_a_misspelt_required_key_is_one_mistake_but_a_strange_one_is_two():
    assert len(mistakes("basket: {sise: 3}")) == 1
    assert len(mistakes("basket: {weight: 3}")) == 2


def test_every_mistake_of_a_mapping_is_found():
    assert len(mistakes("{count: 0, pets: [dgo, {type: dog, walk: -1}], flag: no, basket: {size: x, a: 1}}")) == 6


@pytest.mark.parametrize(
    ("path", "column", "key"),
    [
        (("count",), 9, "count"),
        (("pets", 1, "walk"), 48, "pets.1.stroll"),
        (("pets", 0, "lives"), 19, "pets.0.lives"),
        (("pets", 7, "lives"), 18, "pets.7.lives"),
        (("basket", "colour"), 1, "basket.colour"),
        ((), 1, ""),
    ],
)
def test_locate(path, column, key):
    root, _ = read("{count: 3, pets: [kitten, {type: dog, stroll: 0.5}]}", "f")
    at, keys = locate(Home, root, path)
    assert (at.column, ".".join(keys)) == (column - (path[:2] == ("pets", 1)), key)


def test_expectation_of_a_pattern():
    assert expectation(Annotated[str, Field(pattern="^a$")]) == "text that matches `^a$`"
