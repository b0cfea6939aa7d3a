"""The network before it has arrays: names, order, shapes and parameters, all checked."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import prod

from dlcli.errors import MisfitError
from dlcli.layers.base import Layer, ParameterSpec, Shape, ShapeError


@dataclass(frozen=True)
class Node:
    """A layer in its place: ``inputs`` and ``shape`` are without the batch axis."""

    name: str
    layer: Layer
    inputs: tuple[Shape, ...]
    shape: Shape
    parameters: dict[str, ParameterSpec]

    @property
    def parameter_count(self) -> int:
        """Weights and biases of the layer's own."""
        return sum(prod(spec.shape) for spec in self.parameters.values() if spec.owner is None)

    @property
    def multiply_adds(self) -> int:
        """Multiplications with addition of one sample's forward pass."""
        return self.layer.multiply_adds(self.inputs)

    def source(self, parameter: str) -> str:
        """Name, as in a checkpoint, of the array that a parameter uses (another layer's where it is tied)."""
        return f"{self.parameters[parameter].owner or self.name}/{parameter}"


@dataclass(frozen=True)
class Graph:
    """A chain of layers on inputs of one shape."""

    input_shape: Shape
    nodes: tuple[Node, ...]

    @classmethod
    def build(cls, layers: Iterable[Layer], input_shape: Shape) -> "Graph":
        """Name the layers and infer all shapes.

        Raises
        ------
        MisfitError: a layer cannot take what the one before it gives; the path is ``("network", position)``.
        """
        nodes: list[Node] = []
        shape = input_shape
        layers = tuple(layers)
        for position, (name, layer) in enumerate(zip(names(layers), layers, strict=True)):
            try:
                parameters = layer.parameters([shape])
                node = Node(name, layer, (shape,), layer.output_shape([shape]), parameters)
                _check_ties(node, nodes)
            except ShapeError as error:
                raise MisfitError(("network", position), f"layer {name} {error}") from error
            nodes.append(node)
            shape = node.shape
        return cls(input_shape, tuple(nodes))

    @property
    def output_shape(self) -> Shape:
        return self.nodes[-1].shape

    @property
    def parameters(self) -> dict[str, ParameterSpec]:
        """Every parameter that exists, once, by its name in a checkpoint (``hidden1/weights``)."""
        return {
            f"{node.name}/{name}": spec
            for node in self.nodes
            for name, spec in node.parameters.items()
            if spec.owner is None
        }

    @property
    def shared(self) -> frozenset[str]:
        """Names of the parameters that more than one layer uses."""
        uses = Counter(node.source(name) for node in self.nodes for name in node.parameters)
        return frozenset(name for name, count in uses.items() if count > 1)

    @property
    def parameter_count(self) -> int:
        return sum(node.parameter_count for node in self.nodes)

    @property
    def multiply_adds(self) -> int:
        return sum(node.multiply_adds for node in self.nodes)

    def node(self, name: str) -> Node:
        return next(node for node in self.nodes if node.name == name)


def names(layers: Sequence[Layer]) -> list[str]:
    """Each layer's name: its own, or its type and its position among the layers of that type (``dense_1``)."""
    counts: Counter[str] = Counter()
    result = []
    for layer in layers:
        kind: str = layer.type  # type: ignore[attr-defined]  # every member of the family has a type
        counts[kind] += 1
        result.append(layer.name or f"{kind}_{counts[kind]}")
    return result


def _check_ties(node: Node, before: Sequence[Node]) -> None:
    """A tied parameter must have the shape of the one it is tied to."""
    for name, spec in node.parameters.items():
        if spec.owner is None:
            continue
        owner = next((other.parameters.get(name) for other in before if other.name == spec.owner), None)
        if owner is None:
            raise ShapeError(f"is tied to {spec.owner!r}, and no layer before it of that name has {name}")
        if owner.shape != spec.shape:
            found, expected = list(owner.shape), list(spec.shape)
            raise ShapeError(f"is tied to {spec.owner!r}, whose {name} have shape {found}; expected {expected}")
