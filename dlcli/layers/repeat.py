"""A stretch of layers, several times."""

from typing import Annotated, Literal

from pydantic import Field

from dlcli.layers.base import Block, Element, Part
from dlcli.options import Listed


class Repeat(Block):
    """The layers in a row, `times` times, each time with parameters of its own.

    In logs and checkpoints the layers of the first time are called `<block>/1/<layer>`, and so on.
    """

    type: Literal["repeat"] = "repeat"
    times: Annotated[int, Field(ge=1, le=1000)]
    """How many times."""
    layers: Annotated[tuple[Element, ...], Listed, Field(min_length=1)]
    """What is repeated: layers and blocks, as in `network`."""

    def parts(self) -> list[Part]:
        return [Part(self.layers, str(time + 1), path=("layers",)) for time in range(self.times)]
