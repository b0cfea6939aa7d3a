"""A layer's output: what a network makes of its inputs on the way."""

from collections.abc import Iterable, Iterator

from dlcli.data.pipeline import BatchSource
from dlcli.errors import UsageError
from dlcli.graph import SAMPLES, Node
from dlcli.layers.base import Array
from dlcli.layers.gaussian_noise import GaussianNoise
from dlcli.layers.masked import Masked
from dlcli.layers.mean_field import MeanField
from dlcli.network import Network
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


def sees_samples(trained: Trained, node: Node) -> bool:
    """Whether nothing stands between the samples and a layer, in evaluation, but what it may take beside them."""
    nodes = trained.network.graph.nodes
    (source, *others) = node.sources
    while source != SAMPLES and not others:
        if not (passes(nodes[source]) or isinstance(nodes[source].layer, MeanField)):
            return False
        (source, *others) = nodes[source].sources
    return not others


def check_sees_samples(trained: Trained, node: Node) -> None:
    """Raise UsageError where a machine is none of the samples, but of another layer's outputs."""
    if not sees_samples(trained, node):
        raise UsageError(f"{node.name} is no machine of the samples: there is no way down from it")


def features(trained: Trained, sources: Iterable[BatchSource], layer: str | None = None) -> Iterator[Array]:
    """The layer's output in evaluation mode, (n, *shape) float32 for each batch, in order; for ``layer`` see above."""
    network, name = trained.network, chosen_layer(trained, layer).name
    for source in sources:
        for batch in source.iterate(BATCH):
            network.forward(batch.x)
            yield network.outputs(len(batch.x))[name].copy()


def inputs_of(node: Node, network: Network, source: BatchSource) -> Iterator[Array]:
    """What a layer takes, (n, inputs) for each batch of a source; the next one overwrites it."""
    (place,) = node.sources
    for batch in source.iterate(BATCH):
        n, x = len(batch.x), batch.x
        if place != SAMPLES:
            network.forward(x)
            x = network.outputs(n)[network.graph.nodes[place].name]
        yield x.reshape(n, -1)
