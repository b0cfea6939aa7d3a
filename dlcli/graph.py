"""The network before it has arrays: names, order, shapes and parameters, all checked."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod

from dlcli.errors import MisfitError
from dlcli.expansion import INPUT, Placed, expand, output_of
from dlcli.layers.base import Element, Layer, ParameterSpec, Shape, ShapeError, StateSpec
from dlcli.layers.mirroring import Mirroring

SAMPLES = -1  # among a node's sources: the network's own input


@dataclass(frozen=True)
class Node:
    """A layer in its place.

    ``sources`` are the places in the graph of those whose outputs it takes, or `SAMPLES`. ``inputs``, their shapes,
    and ``shape`` are without the batch axis. ``mirrors`` is the layer as whose mirror it starts (see `Mirroring`).
    """

    name: str
    layer: Layer
    sources: tuple[int, ...]
    inputs: tuple[Shape, ...]
    shape: Shape
    parameters: dict[str, ParameterSpec]
    state: dict[str, StateSpec]
    mirrors: str | None = None

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
    """Layers, each after those whose outputs it takes.

    ``heads`` are the places of the layers that losses look at, the main one first: its output is the network's.
    """

    input_shape: Shape
    nodes: tuple[Node, ...]
    heads: tuple[int, ...]

    @classmethod
    def build(cls, elements: Iterable[Element], input_shape: Shape, heads: Sequence[str | None] = (None,)) -> "Graph":
        """Take blocks apart, name the layers, and infer all shapes.

        Parameters
        ----------
        elements: as in a config's `network`.
        input_shape: of a sample.
        heads: names of the elements that losses look at, the main one first; None is the last element.

        Raises
        ------
        MisfitError: a layer cannot take what it is given, or nothing takes what it gives; it has the config's path.
        """
        elements = tuple(elements)
        nodes: list[Node] = []
        layers = expand(elements)
        for placed in layers:
            try:
                nodes.append(_node(placed, nodes, input_shape))
            except ShapeError as error:
                raise MisfitError(placed.path, f"layer {placed.name} {error}") from error
        places = {node.name: place for place, node in enumerate(nodes)}
        graph = cls(input_shape, tuple(nodes), tuple(places[output_of(elements, head)] for head in heads))
        used = graph.ancestors(graph.heads)
        for place, placed in enumerate(layers):
            if place not in used:
                expected = "expected that another layer or a loss takes its output"
                raise MisfitError(placed.path, f"layer {placed.name} leads nowhere; {expected}")
        return graph

    @property
    def output_shape(self) -> Shape:
        """That of the main head."""
        return self.nodes[self.heads[0]].shape

    @cached_property
    def parameters(self) -> dict[str, ParameterSpec]:
        """Every parameter that exists, once, by its name in a checkpoint (``hidden1/weights``)."""
        return {
            f"{node.name}/{name}": spec
            for node in self.nodes
            for name, spec in node.parameters.items()
            if spec.owner is None
        }

    @cached_property
    def state(self) -> dict[str, StateSpec]:
        """Every array of the layers' state, by its name in a checkpoint (``norm1/running_mean``)."""
        return {f"{node.name}/{name}": spec for node in self.nodes for name, spec in node.state.items()}

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

    def ancestors(self, places: Iterable[int]) -> frozenset[int]:
        """The places whose outputs are needed for those at ``places``, themselves included."""
        found = set(places)
        for place in range(len(self.nodes) - 1, -1, -1):
            if place in found:
                found.update(source for source in self.nodes[place].sources if source != SAMPLES)
        return frozenset(found)

    @cached_property
    def placed(self) -> dict[int, tuple[int, int]]:
        """By layer that writes its output into a concat's: the place of the concat, and its own first channel there.

        So does a layer that can, if the concat alone takes its output, and takes it once.
        """
        uses = Counter([*self.heads, *(source for node in self.nodes for source in node.sources)])
        found: dict[int, tuple[int, int]] = {}
        for place, node in enumerate(self.nodes):
            first = 0
            for source, shape in zip(node.sources, node.inputs, strict=True) if node.layer.is_row_of_inputs else ():
                if source != SAMPLES and uses[source] == 1 and self.nodes[source].layer.places_output:
                    found[source] = place, first
                first += shape[-1]
        return found

    @cached_property
    def homes(self) -> tuple[int, ...]:
        """By layer, the one in whose memory its output stands: itself; of a view, its source's (or `SAMPLES`); of what
        is placed in a concat's output, the concat.
        """
        found: list[int] = []
        for place, node in enumerate(self.nodes):
            if not node.layer.is_view:
                found.append(self.placed[place][0] if place in self.placed else place)
            else:
                source = node.sources[0]
                found.append(SAMPLES if source == SAMPLES else found[source])
        return tuple(found)

    def is_chain(self, count: int | None = None) -> bool:
        """Whether each of the first ``count`` layers takes the output of the one before it, and nothing else."""
        return all(node.sources == (place - 1,) for place, node in enumerate(self.nodes[:count]))


def _node(placed: Placed, before: Sequence[Node], input_shape: Shape) -> Node:
    places = {node.name: place for place, node in enumerate(before)} | {INPUT: SAMPLES}
    sources = tuple(places[name] for name in placed.inputs)
    inputs = tuple(input_shape if source == SAMPLES else before[source].shape for source in sources)
    layer = placed.layer
    parameters = _owned(layer, layer.parameters(inputs), placed.known)
    node = Node(placed.name, layer, sources, inputs, layer.output_shape(inputs), parameters, layer.state(inputs))
    _check_ties(node, before)
    return _mirroring(node, placed.known, before)


def _owned(layer: Layer, own: dict[str, ParameterSpec], known: Mapping[str, str]) -> dict[str, ParameterSpec]:
    """A layer's parameters, with the full name of the layer whose they are, if they are another's."""
    if layer.share is not None:
        if not own:
            raise ShapeError("has no parameters; expected no `share`")
        return {name: replace(spec, owner=known.get(layer.share, layer.share)) for name, spec in own.items()}
    return {
        name: spec if spec.owner is None else replace(spec, owner=known.get(spec.owner, spec.owner))
        for name, spec in own.items()
    }


def _mirroring(node: Node, known: Mapping[str, str], before: Sequence[Node]) -> Node:
    """The node with the full name of the layer that it mirrors, if it does, which must be one that it can mirror."""
    if not isinstance(node.layer, Mirroring) or node.layer.mirrors is None:
        return node
    name = known.get(node.layer.mirrors, node.layer.mirrors)
    mirrored = next((other for other in before if other.name == name), None)
    if mirrored is None:
        raise ShapeError(f"mirrors {name!r}, and no layer before it has that name")
    node.layer.check_mirrored(mirrored.parameters, node.inputs)
    return replace(node, mirrors=name)


def _check_ties(node: Node, before: Sequence[Node]) -> None:
    """A tied parameter must have the shape of the one it is tied to, and the layer must suit that one's."""
    for name, spec in node.parameters.items():
        if spec.owner is None:
            continue
        place = next((place for place, other in enumerate(before) if other.name == spec.owner), None)
        owner = None if place is None else before[place].parameters.get(name)
        if place is None or owner is None:
            raise ShapeError(f"is tied to {spec.owner!r}, and no layer before it of that name has {name}")
        if owner.owner is not None:
            raise ShapeError(f"is tied to {spec.owner!r}, whose {name} are those of {owner.owner!r}; expected that")
        if owner.shape != spec.shape:
            found, expected = list(owner.shape), list(spec.shape)
            raise ShapeError(f"is tied to {spec.owner!r}, whose {name} have shape {found}; expected {expected}")
        node.layer.check_tied(_way(place, node, before))


def _way(start: int, node: Node, before: Sequence[Node]) -> tuple[Layer, ...]:
    """The layers from a place on of which each takes the last one's output alone, as the node does; () if none do."""
    way: list[Layer] = []
    while len(node.sources) == 1 and node.sources[0] >= start:
        node = before[node.sources[0]]
        way.append(node.layer)
        if before[start] is node:
            return tuple(reversed(way))
    return ()
