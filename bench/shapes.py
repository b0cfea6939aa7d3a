"""The shapes that nets are made of, each once, with how often its net has it. Plain data."""

import itertools
from collections import Counter
from math import prod
from typing import NamedTuple

PRODUCTS = ("forward", "input gradient", "weight gradient")
UPDATE = "weight gradient and update"  # by eq. (4): dlcli's in one, PyTorch's product and its share of fused SGD


class Dense(NamedTuple):
    """Rows (the batch) of inputs, to units."""

    rows: int
    inputs: int
    units: int

    @property
    def multiply_adds(self) -> int:
        return prod(self)

    @property
    def title(self) -> str:
        return f"dense {self.inputs} → {self.units}"


class Convolution(NamedTuple):
    """Square images and their channels; kernel side, filters, stride, padding, groups."""

    images: int
    side: int
    channels: int
    kernel: int
    filters: int
    stride: int = 1
    padding: int = 0
    groups: int = 1

    @property
    def out(self) -> int:
        return (self.side + 2 * self.padding - self.kernel) // self.stride + 1

    @property
    def multiply_adds(self) -> int:
        """Those with padding counted too, though neither side does all of them."""
        taps = self.kernel**2 * self.channels // self.groups
        return self.images * self.out**2 * self.filters * taps

    @property
    def title(self) -> str:
        return (
            f"{self.kernel}×{self.kernel}, {self.side}² × {self.channels} → {self.out}² × {self.filters}"
            + (f", stride {self.stride}" if self.stride > 1 else "")
            + (f", {self.groups} groups" if self.groups > 1 else "")
        )


Shape = Dense | Convolution


class Case(NamedTuple):
    """A shape in its net: ``count`` times; ``first``: nobody asks for the gradient of the net's input."""

    net: str
    shape: Shape
    count: int
    first: bool

    @property
    def products(self) -> tuple[str, ...]:
        return tuple(p for p in (*PRODUCTS, UPDATE) if not (self.first and p == "input gradient"))


def _dense(rows: int, *sizes: int) -> list[Shape]:
    return [Dense(rows, inputs, units) for inputs, units in itertools.pairwise(sizes)]


def _alexnet(n: int) -> list[Shape]:
    """Krizhevsky, Sutskever, Hinton (2012), with its two groups, as Caffe has it: 227 × 227."""
    return [
        Convolution(n, 227, 3, 11, 96, stride=4),
        Convolution(n, 27, 96, 5, 256, padding=2, groups=2),
        Convolution(n, 13, 256, 3, 384, padding=1),
        Convolution(n, 13, 384, 3, 384, padding=1, groups=2),
        Convolution(n, 13, 384, 3, 256, padding=1, groups=2),
        *_dense(n, 9216, 4096, 4096, 1000),
    ]


def _vgg16(n: int) -> list[Shape]:
    """Simonyan and Zisserman (2014), configuration D."""
    found: list[Shape] = []
    side, channels = 224, 3
    for filters, depth in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(depth):
            found.append(Convolution(n, side, channels, 3, filters, padding=1))
            channels = filters
        side //= 2
    return [*found, *_dense(n, 25088, 4096, 4096, 1000)]


# Table 1 of Szegedy et al. (2014): side, then filters: 1×1, 3×3's reduction, 3×3, 5×5's reduction, 5×5, pool's 1×1.
INCEPTIONS = (
    (28, 64, 96, 128, 16, 32, 32),  # 3a
    (28, 128, 128, 192, 32, 96, 64),
    (14, 192, 96, 208, 16, 48, 64),  # 4a
    (14, 160, 112, 224, 24, 64, 64),
    (14, 128, 128, 256, 24, 64, 64),
    (14, 112, 144, 288, 32, 64, 64),
    (14, 256, 160, 320, 32, 128, 128),
    (7, 256, 160, 320, 32, 128, 128),  # 5a
    (7, 384, 192, 384, 48, 128, 128),
)


def _googlenet(n: int) -> list[Shape]:
    """Its stem, nine inception modules and classifier, without the auxiliary ones."""
    found: list[Shape] = [
        Convolution(n, 224, 3, 7, 64, stride=2, padding=3),
        Convolution(n, 56, 64, 1, 64),
        Convolution(n, 56, 64, 3, 192, padding=1),
    ]
    channels = 192
    for side, ones, reduced3, threes, reduced5, fives, pooled in INCEPTIONS:
        found += [Convolution(n, side, channels, 1, filters) for filters in (ones, reduced3, reduced5, pooled)]
        found.append(Convolution(n, side, reduced3, 3, threes, padding=1))
        found.append(Convolution(n, side, reduced5, 5, fives, padding=2))
        channels = ones + threes + fives + pooled
    return [*found, *_dense(n, channels, 1000)]


def _lenet(n: int) -> list[Shape]:
    return [Convolution(n, 28, 1, 5, 20), Convolution(n, 12, 20, 5, 50), *_dense(n, 800, 500, 10)]


def _cifar(n: int) -> list[Shape]:
    convolutions = ((32, 3, 32), (16, 32, 32), (8, 32, 64))
    found = [Convolution(n, side, channels, 5, filters, padding=2) for side, channels, filters in convolutions]
    return [*found, *_dense(n, 1024, 64, 10)]


NETS: dict[str, list[Shape]] = {
    "small": _dense(32, 64, 64, 10),
    "mlp": _dense(100, 784, 500, 500, 2000, 10),
    "lenet": _lenet(64),
    "cifar": _cifar(100),
    "alexnet": _alexnet(32),
    "vgg16": _vgg16(8),
    "googlenet": _googlenet(16),
}


def cases(net: str) -> list[Case]:
    """A net's distinct shapes, in its order."""
    shapes = NETS[net]
    return [Case(net, shape, count, shape == shapes[0]) for shape, count in Counter(shapes).items()]
