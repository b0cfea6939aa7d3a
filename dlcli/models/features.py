"""A layer's output: what a network makes of its inputs on the way."""

from collections.abc import Iterable, Iterator

from dlcli.data.pipeline import BatchSource
from dlcli.errors import UsageError
from dlcli.graph import SAMPLES, Node
from dlcli.layers.base import Array
from dlcli.layers.gaussian_noise import GaussianNoise
from dlcli.layers.masked import Masked
from dlcli.trained import Trained

BATCH = 100  # samples passed at once; no result depends on it


def chosen_layer(trained: Trained, name: str | None = None) -> Node:
    """The layer of that name; by default the last hidden one, whose output the output layer takes.

    Raises
    ------
    UsageError: there is none, or evaluation does not visit it (it serves an auxiliary loss alone).
    """
    graph = trained.network.graph
    visited = graph.ancestors(graph.heads[:1])
    if name is not None:
        there = [node for place, node in enumerate(graph.nodes) if place in visited]
        found = next((node for node in there if node.name == name), None)
        if found is None:
            raise UsageError(f"found no layer {name!r}; expected one of: {', '.join(node.name for node in there)}")
        return found
    output = max(place for place in visited if graph.nodes[place].parameters)
    source = graph.nodes[output].sources[0]
    if source == SAMPLES:
        raise UsageError(f"{graph.nodes[output].name} takes the samples themselves: there is no hidden layer")
    return graph.nodes[source]


def passes(node: Node) -> bool:
    """Whether a layer, in evaluation, gives just what it takes, if in another shape."""
    return isinstance(node.layer, Masked | GaussianNoise) or node.layer.is_view


def features(trained: Trained, sources: Iterable[BatchSource], layer: str | None = None) -> Iterator[Array]:
    """The layer's output in evaluation mode, (n, *shape) float32 for each batch, in order; for ``layer`` see above."""
    network, name = trained.network, chosen_layer(trained, layer).name
    for source in sources:
        for batch in source.iterate(BATCH):
            network.forward(batch.x)
            yield network.outputs(len(batch.x))[name].copy()
