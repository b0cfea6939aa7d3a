from typing import Annotated, Literal

from dlcli.options import Also, Positive
from tests.config.pets.base import Pet


class Dog(Pet):
    """A pet that needs a walk."""

    type: Literal["dog"] = "dog"
    walk: Annotated[Positive, Also("stroll")]
    """Kilometres a day."""
