from typing import ClassVar

from dlcli.options import Family


class Pet(Family):
    """A family that every form of an option can be tried on."""

    package: ClassVar[str] = "tests.config.pets"
    default_type: ClassVar[str | None] = "cat"
