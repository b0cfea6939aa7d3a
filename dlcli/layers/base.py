"""The idea of a layer: the options a user writes, with shapes, parameters and two passes, and no array.

A block is a short way to write several layers.

A layer declares what it needs; the network allocates it and hands it in as `Arrays`. A layer knows nothing of
branching, files or the optimiser's formula. Shapes never include the batch axis; arrays always do, first.
"""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import Field

from dlcli.initialisers.base import Fills
from dlcli.kernels.launch import Launch
from dlcli.options import Family, Listed, NonNegative, Options

Array = npt.NDArray[Any]
Shape = tuple[int, ...]

Task = Literal["classification", "regression"]  # what a network is for
Activation = Literal["linear", "sigmoid", "tanh", "scaled_tanh", "relu", "softplus"]


class Sink(NamedTuple):
    """Where a parameter's gradient goes, as four arguments of the kernel that computes it.

    ``STORE`` writes it to ``target``, ``ADD`` adds it, ``UPDATE`` takes ``target`` for the parameter w and
    ``velocity`` for Δw, and applies eq. (4) with ``constants`` = (ε, α, λ):
    Δw ← −ε g + α Δw − ε λ w; w ← w + Δw. Gradients then never stand in memory. `dlcli.kernels.sink` has the kinds for
    gradients that come in parts, and for α = 0.
    """

    kind: int
    target: Array
    velocity: Array
    constants: Array


class MultiplierOptions(Options):
    """Factors on the optimiser's hyperparameters for one parameter of one layer."""

    learning_rate_multiplier: NonNegative = 1.0
    """Factor on ε for this parameter."""
    decay_multiplier: NonNegative = 1.0
    """Factor on λ for this parameter."""


@dataclass(frozen=True)
class ParameterSpec:
    """A parameter that a layer declares.

    ``fan_in`` and ``fan_out`` are connections into and out of one unit. ``owner`` names the layer whose
    parameter of the same name is used instead of one of this layer's own (tied weights).
    """

    shape: Shape
    initialiser: Fills
    fan_in: int
    fan_out: int
    multipliers: MultiplierOptions = field(default_factory=MultiplierOptions)
    owner: str | None = None


@dataclass(frozen=True)
class BufferSpec:
    """An array that a layer needs beside its output, zero at first; ``shape`` is per sample unless ``per_batch``."""

    shape: Shape
    dtype: type[np.generic] | None = None  # None: the network's own
    per_batch: bool = False


@dataclass(frozen=True)
class StateSpec:
    """An array that training passes change and checkpoints keep, but no gradient changes: a running mean."""

    shape: Shape
    initial: float = 0.0


@dataclass(slots=True)
class Arrays:
    """What the network hands to a layer: views for one batch size, allocated once.

    ``d_inputs[i]`` and ``sinks[p]`` are None where that gradient is not wanted. ``d_output`` is the layer's to
    overwrite once `backward` begins; inputs, output and parameters are not. Of a layer that `places_output`, output
    and ``d_output`` may be parts of larger arrays, their rows apart; ``d_before`` is then where the gradient before the
    activation function goes, instead of over ``d_output``.
    """

    inputs: tuple[Array, ...]
    output: Array
    parameters: Mapping[str, Array]
    saved: Mapping[str, Array]
    key: int
    state: Mapping[str, Array] = field(default_factory=dict)
    d_inputs: tuple[Array | None, ...] = ()
    d_output: Array = field(default_factory=lambda: np.empty(0))
    d_before: Array | None = None
    sinks: Mapping[str, Sink | None] = field(default_factory=dict)
    _launches: dict[str, Sequence[Launch]] = field(init=False, repr=False)

    def __setattr__(self, name: str, value: object) -> None:
        """Set a field, and forget what was planned for the arrays before."""
        object.__setattr__(self, name, value)
        object.__setattr__(self, "_launches", {})

    def run(self, name: str, plan: Callable[[], Sequence[Launch]]) -> None:
        """Run kernels on these arrays, planned once under ``name`` and kept, since the arrays stay where they are."""
        launches = self._launches.get(name)
        if launches is None:
            launches = self._launches[name] = plan()
        for launch in launches:
            launch.run()


class ShapeError(ValueError):
    """A layer cannot take such inputs; the text says what it got and what it expects."""


class Element(Family):
    """What stands in the list `network`: a layer, or a block that stands for several."""

    package: ClassVar[str] = "dlcli.layers"

    name: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_-]{0,63}$")] | None = None
    """Name in logs, checkpoints and `--set`; by default its type and position (`dense_1`)."""
    inputs: Annotated[tuple[str, ...], Listed, Field(min_length=1)] | None = None
    """Names of those whose outputs this one takes, in its own list, `input` being what the list is given (the
    samples, or a block's input); by default the one before it."""


class Layer(Element):
    """A layer of the network."""

    share: str | None = None
    """Name of a layer before this one, whose parameters are used instead of parameters of its own."""

    is_view: ClassVar[bool] = False  # y = x, in another shape perhaps: the network may give both the same memory
    is_row_of_inputs: ClassVar[bool] = False  # y = [x_1, x_2, …]: the network may let other layers write them in place

    @property
    def places_output(self) -> bool:
        """Whether the layer's output can be a part of a larger array, its rows apart, and so can ``d_output``."""
        return False

    @abstractmethod
    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """Shape of the output for inputs of these shapes; raises `ShapeError` where they don't fit."""

    def parameters(self, inputs: Sequence[Shape]) -> dict[str, ParameterSpec]:
        """Trained parameters, by name."""
        return {}

    def state(self, inputs: Sequence[Shape]) -> dict[str, StateSpec]:
        """Arrays that a training pass changes and evaluation reads, by name; no name is a parameter's too."""
        return {}

    def saved(self, inputs: Sequence[Shape]) -> dict[str, BufferSpec]:
        """Arrays kept from `forward` to `backward`, by name, and scratch that either needs."""
        return {}

    def multiply_adds(self, inputs: Sequence[Shape]) -> int:
        """Multiplications with addition of one sample's forward pass."""
        return 0

    def reconstructor(self, inputs: Sequence[Shape], *, name: str, activation: Activation, tied: bool) -> "Layer":
        """The layer's mirror, folded back at its output (survey, fig. 4); raises `ShapeError` where it has none.

        ``name`` is this layer's name, whose weights a tied mirror uses; the mirror's output has as many values
        as this layer's input.
        """
        raise ShapeError("expected a dense or convolution layer")

    def check_tied(self, way: Sequence["Layer"]) -> None:
        """Raise `ShapeError` where the layer that owns its parameters is none that it can be tied to.

        ``way`` leads from that layer, the first, to the one whose output this one takes: each takes the output of the
        one before it, and nothing else. It is empty where there is no such way.
        """

    @abstractmethod
    def forward(self, arrays: Arrays, training: bool, step: int) -> None:
        """Write ``arrays.output``. Random numbers, in training only, are functions of (``key``, ``step``)."""

    @abstractmethod
    def backward(self, arrays: Arrays) -> None:
        """From ``d_output``, write the ``d_inputs`` that are wanted, then send parameter gradients to their sinks.

        It follows a forward pass in training. In this order, since a sink may change the parameter on which an
        input's gradient depends.
        """

    def penalty(self, arrays: Arrays) -> float:
        """What the layer adds to the loss of the batch just passed (its gradient is added in `backward`)."""
        return 0.0


class Part(NamedTuple):
    """One of the things in a list of elements, or that a block stands for: an element, or a chain under one name.

    ``name`` and ``inputs`` are as in `Element`. ``path`` leads to where the user wrote it, from the list or block.
    """

    what: Element | tuple[Element, ...]
    name: str | None = None
    inputs: tuple[str, ...] | None = None
    path: tuple[str | int, ...] = ()

    @property
    def type(self) -> str:
        """What it is called by if it has no name."""
        return getattr(self.what, "type", "chain")


def chain(elements: Sequence[Element]) -> list[Part]:
    """A list of elements, as the user has written it."""
    return [Part(element, element.name, element.inputs, (index,)) for index, element in enumerate(elements)]


class Block(Element):
    """Several layers, written as one."""

    @abstractmethod
    def parts(self) -> list[Part]:
        """What the block stands for; the last part's output is the block's."""


def one_input(inputs: Sequence[Shape], rank: int | None = None) -> Shape:
    """The only input's shape, checked for its rank (3 for images: height, width, channels)."""
    if len(inputs) != 1:
        raise ShapeError(f"takes one input, found {len(inputs)}")
    if rank is not None and len(inputs[0]) != rank:
        raise ShapeError(f"takes {rank} axes (height, width, channels), found shape {list(inputs[0])}")
    return inputs[0]
