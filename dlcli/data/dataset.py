"""What a source gives: samples in memory, with their targets."""

from dataclasses import dataclass

from dlcli.layers.base import Array, Shape


@dataclass(frozen=True)
class Samples:
    """Samples of one split.

    x: (N, …) uint8 or float32, one sample a row; images are (N, height, width, channels).
    y: (N,) int64 class indices, or (N, outputs) float32 for a regression.
    """

    x: Array
    y: Array

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True)
class Dataset:
    """What a source gives.

    ``classes`` are the class labels in the order of their indices (integers or strings); empty for a regression.
    """

    train: Samples
    test: Samples | None
    classes: tuple[int | str, ...]

    @property
    def sample_shape(self) -> Shape:
        return tuple(self.train.x.shape[1:])
