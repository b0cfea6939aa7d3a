"""What a layer brings to the common layer test: one `CASE` in a file `<type>_case.py`, which is found by its name."""

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Parameters = Mapping[str, Array]
Options = dict[str, Any]
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Draw:
    """What a random layer draws from in training: the network's key for it, and the step."""

    key: int
    step: int


@dataclass(frozen=True)
class Variant:
    """One set of options on inputs of one shape, with the closed-form count of its parameters.

    A layer of several inputs has their shapes in ``several``. Tests hand it one array x (N, Σ values) that holds them
    side by side, flat, as ``shape`` says; `split` takes it apart.
    """

    options: Options
    shape: Shape = ()
    parameters: int = 0
    kinked: bool = False  # the output bends somewhere: relu, max pooling, |x|
    inputs: tuple[float, float] = (-1.0, 1.1)  # least and largest input
    several: tuple[Shape, ...] = ()
    before: Sequence[Options] = ()  # what must stand before it, if not the case's
    multiply_adds: int | None = None  # of a sample's forward pass, where it isn't outputs × fan-in

    def __post_init__(self) -> None:
        if self.several:
            object.__setattr__(self, "shape", (sum(map(prod, self.several)),))

    @property
    def shapes(self) -> list[Shape]:
        """Of the layer's inputs."""
        return list(self.several) or [self.shape]


def split(x: Array, shapes: Sequence[Shape]) -> tuple[Array, ...]:
    """The inputs of these shapes that x holds; each one's own memory where there are several."""
    if len(shapes) == 1:
        return (x.reshape(len(x), *shapes[0]),)
    ends = np.cumsum([prod(shape) for shape in shapes])
    parts = zip(np.split(x, ends[:-1], axis=1), shapes, strict=True)
    return tuple(part.reshape(len(x), *shape).copy() for part, shape in parts)


class With:
    """A value of an option that matters only with other options: `With(3, filters=6)`."""

    def __init__(self, value: Any, **companions: Any) -> None:
        self.value = value
        self.companions = companions


@dataclass(frozen=True)
class Case:
    """A layer's part of the common layer test.

    Parameters
    ----------
    type: the layer's YAML type.
    variants: option sets and input shapes; everything is tested for each of them.
    naive: (x, parameters, options, draw) → the output in float64, by loops that use nothing of dlcli; ``draw`` is
        None in evaluation, else that of a training pass. Of a layer of several inputs it takes their shapes, too,
        and of one with state that, by name.
    broken: for every option of the layer's own, values that must be refused.
    changes: for every option, a value that must move the output (or the penalty) of the first variant.
    dead: options that don't move the output, with the reason; one that does makes the test fail.
    refused_shapes: inputs that the layer of the first variant cannot take, and what the message must say.
    penalty: (x, options, parameters) → what the layer adds to the loss.
    before: layers that must stand before this one in a network, since it is tied to them.
    random: whether the layer draws random numbers in training.
    constant: which of the outputs (their last axis) are constants to the backward pass, by the variant.
    """

    type: str
    variants: Sequence[Variant]
    naive: Callable[..., Array]
    broken: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    changes: Mapping[str, Any] = field(default_factory=dict)
    dead: Mapping[str, str] = field(default_factory=dict)
    refused_shapes: Sequence[tuple[Shape, str]] = ()
    penalty: Callable[[Array, Options, Parameters], float] = lambda x, options, parameters: 0.0
    before: Sequence[Options] = ()
    random: bool = False
    constant: Callable[[Variant], slice] | None = None


def cases() -> dict[str, Case]:
    """Every case of this folder by its layer's type."""
    folder = Path(__file__).parent
    modules = [importlib.import_module(f"tests.layers.{path.stem}") for path in sorted(folder.glob("*_case.py"))]
    return {module.CASE.type: module.CASE for module in modules}


def spread(shape: Shape, seed: int, low: float = -1.0, high: float = 1.1) -> Array:
    """Distinct, evenly spaced numbers in a random order: no ties, and each one tells where it came from."""
    count = int(np.prod(shape))
    values = low + (high - low) * (np.arange(count) + 0.5) / count
    return np.random.default_rng(seed).permutation(values).reshape(shape)


MULTIPLIERS_BROKEN = (3, {"learning_rate_multiplier": -1.0}, {"decay_multiplier": -0.5}, {"rate": 1.0})
INITIALISER_BROKEN = ("unheard_of", {"type": "constant"}, 3)
ACTIVATION_BROKEN = ("unheard_of", 1, True)
WEIGHTED_BROKEN = {
    "activation": ACTIVATION_BROKEN,
    "initialiser": INITIALISER_BROKEN,
    "bias": (1, "yes", None),
    "bias_initialiser": INITIALISER_BROKEN,
    "weights_options": MULTIPLIERS_BROKEN,
    "bias_options": MULTIPLIERS_BROKEN,
}
WEIGHTED_DEAD = {
    "initialiser": "the test gives the parameters; tests/test_network.py sees it at work",
    "bias_initialiser": "the test gives the parameters; tests/test_network.py sees it at work",
    "weights_options": "it acts on the optimiser's rates: tests/optim/test_sgd.py",
    "bias_options": "it acts on the optimiser's rates: tests/optim/test_sgd.py",
}
MIRRORS_BROKEN = (3, ["hidden"], True)
MIRRORS_DEAD = "it says how the weights start: tests/pretrain/test_unroll.py"
WEIGHTED_CHANGES = {
    "activation": "tanh",
    "bias": False,
    "initialiser": "he",
    "bias_initialiser": {"type": "constant", "value": 1.0},
    "weights_options": {"learning_rate_multiplier": 2.0, "decay_multiplier": 3.0},
    "bias_options": {"learning_rate_multiplier": 2.0, "decay_multiplier": 0.0},
}
