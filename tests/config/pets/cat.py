from typing import ClassVar, Literal

from dlcli.options import Count
from tests.config.pets.base import Pet


class Cat(Pet):
    """A pet that needs nothing."""

    also_called: ClassVar[tuple[str, ...]] = ("kitten",)
    type: Literal["cat"] = "cat"
    lives: Count = 9
    """How many are left."""
