"""Layers that may start as the mirror of one before them: the decoder of an unrolled autoencoder."""

from collections.abc import Sequence
from typing import ClassVar

from pydantic import ValidationInfo, field_validator

from dlcli.layers.base import ParameterSpec, Shape, ShapeError
from dlcli.layers.weighted import Weighted


class Mirroring(Weighted):
    """A layer whose weights are those of another kind of layer, or of its own, seen from the other side.

    `dlcli.pretrain.unroll` gives it the other's numbers; from then on it learns on its own (Hinton and Salakhutdinov,
    "Reducing the dimensionality of data with neural networks" (2006), fig. 1, "unrolling").
    """

    mirror_axes: ClassVar[tuple[int, ...]]  # of the mirrored layer's weights, in the order of this layer's

    mirrors: str | None = None
    """Name of a layer before this one, whose mirror it is: as supervised training begins, its weights are that layer's,
    transposed, and its bias is the one with which pretraining reconstructed that layer's inputs, if it did."""

    @field_validator("mirrors")
    @classmethod
    def _has_its_own(cls, mirrors: str | None, info: ValidationInfo) -> str | None:
        if mirrors is not None and info.data.get("share") is not None:
            raise ValueError("found share too, expected one or the other: a mirror has parameters of its own")
        return mirrors

    def check_mirrored(self, parameters: dict[str, ParameterSpec], inputs: Sequence[Shape]) -> None:
        """Raise `ShapeError` where a layer of these parameters is none that this one, on such inputs, mirrors."""
        name, own = self.mirrors, self.parameters(inputs)["weights"].shape
        if "weights" not in parameters:
            raise ShapeError(f"mirrors {name!r}, which has no weights")
        found = parameters["weights"].shape
        mirrored = tuple(found[axis] for axis in self.mirror_axes) if len(found) == len(self.mirror_axes) else None
        if mirrored != own:
            expected = [size for _, size in sorted(zip(self.mirror_axes, own, strict=True))]
            raise ShapeError(f"mirrors {name!r}, whose weights have shape {list(found)}; expected {expected}")
