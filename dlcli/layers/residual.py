"""Residual blocks (He et al., "Deep Residual Learning for Image Recognition", 2015)."""

from typing import Annotated, Literal

from pydantic import Field

from dlcli.layers.add import Add
from dlcli.layers.base import Activation, Block, Element, Part
from dlcli.options import Listed


class Residual(Block):
    """y = f(F(x) + s(x)): F is a chain of layers, s a shortcut round it (eqs. (1) and (2) of the paper)."""

    type: Literal["residual"] = "residual"
    layers: Annotated[tuple[Element, ...], Listed, Field(min_length=1)]
    """F: layers and blocks, as in `network`; called `<block>/main/<layer>`."""
    shortcut: Annotated[tuple[Element, ...], Listed] = ()
    """s, where shapes differ: a convolution of 1 × 1, say; by default the identity. `<block>/shortcut/<layer>`."""
    activation: Activation = "linear"
    """f, applied to the sum."""

    def parts(self) -> list[Part]:
        around = "input"
        parts = [Part(self.layers, "main", ("input",), ("layers",))]
        if self.shortcut:
            around = "shortcut"
            parts.append(Part(self.shortcut, around, ("input",), ("shortcut",)))
        return [*parts, Part(Add(activation=self.activation), "add", ("main", around))]
