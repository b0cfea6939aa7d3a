"""The greedy walk: one layer at a time, from the input up, each on the outputs of those below (survey, fig. 5)."""

from collections.abc import Mapping, Sequence

from dlcli.data.pipeline import BatchSource
from dlcli.errors import MisfitError
from dlcli.graph import Graph, Node
from dlcli.layers.base import Array
from dlcli.network import Network
from dlcli.optim.base import Optimiser
from dlcli.optim.descent import Descent
from dlcli.pretrain.base import Joint, Method
from dlcli.pretrain.options import PretrainOptions
from dlcli.pretrain.storage import Storage


def stage_name(node: Node, joint: Joint | None = None) -> str:
    """Name of the stage that pretrains a layer, or of the one in which all up to this layer learn together."""
    return f"pretrain/{node.name}" + (f".{joint.name}" if joint else "")


def layer_of(stage: str) -> str:
    """The layer of a stage of pretraining, by its name: the last one, of a stage for several."""
    return stage.removeprefix("pretrain/").split(".")[0]


def nodes_to_pretrain(options: PretrainOptions, graph: Graph) -> list[Node]:
    """The layers to pretrain, from the input up.

    Raises
    ------
    MisfitError: a named layer is the output layer, is out of order, or does not suit the method; or there is none that
        does; or the network branches below the last of them.
    """
    chosen = _chosen(options, graph)
    if not chosen:
        raise MisfitError(("pretrain",), "found no layer below the output layer to pretrain; expected one with weights")
    if not graph.is_chain(1 + graph.nodes.index(chosen[-1])):
        raise MisfitError(("pretrain",), f"the network branches before {chosen[-1].name}; expected a chain of layers")
    _check_joint(options, chosen, graph)
    for node in chosen:
        own = options.of(node.name)
        _check_optimiser(own.method, own.optimiser, (*own.path, "optimiser") if own.path else ("pretrain", "optimiser"))
    return chosen


def _check_joint(options: PretrainOptions, chosen: list[Node], graph: Graph) -> None:
    """Where all layers learn together in the end, they must be pretrained alike, and suit that stage."""
    joint = options.method.joint()
    for node in chosen:
        own = options.of(node.name)
        if own.method.joint() != joint or (joint is not None and type(own.method) is not type(options.method)):
            found = f"{node.name} is pretrained otherwise than the layers with which it learns together in the end"
            raise MisfitError((*own.path, "method"), f"{found}; expected the type and that stage of `pretrain.method`")
    if joint is None:
        return
    try:
        joint.check_nodes(tuple(chosen), graph)
    except ValueError as error:
        raise MisfitError(("pretrain", "method"), str(error)) from error
    _check_optimiser(options.method, joint.optimiser, ("pretrain", "method", joint.option, "optimiser"))


def _check_optimiser(method: Method, optimiser: Optimiser, path: tuple[str | int, ...]) -> None:
    if method.descends and not isinstance(optimiser, Descent):
        message = "expected a method of gradient descent: a Boltzmann machine's loss is not known along a line"
        raise MisfitError(path, message)


def _chosen(options: PretrainOptions, graph: Graph) -> list[Node]:
    if options.layers is None:
        output = _output_place(graph)
        below = [node for node in graph.nodes[:output] if _suits(options, graph, node)]
        return below + [node for node in graph.nodes[output : output + 1] if options.method.learns_labels(node)]
    places = {node.name: place for place, node in enumerate(graph.nodes)}
    chosen: list[Node] = []
    for position, layer in enumerate(options.layers):
        path, name = ("pretrain", "layers", position), layer.name
        if name not in places:
            raise MisfitError(path, f"{name} is a block; expected a layer")
        node = graph.nodes[places[name]]
        if node.mirrors is not None:
            raise MisfitError(path, f"{name} starts as {node.mirrors}'s mirror; expected a layer that mirrors none")
        if places[name] >= _output_place(graph) and not options.of(name).method.learns_labels(node):
            raise MisfitError(path, f"{name} is the output layer, which starts at random (survey, section 3.2)")
        if chosen and places[name] <= places[chosen[-1].name]:
            raise MisfitError(path, f"{name} comes after {chosen[-1].name}; expected layers from the input up")
        if node.layer.share is not None:
            raise MisfitError(path, f"{name} has the parameters of {node.layer.share}; expected a layer with its own")
        try:
            options.of(name).method.check(node)
            options.of(name).method.check_in(graph, node)
        except ValueError as error:
            raise MisfitError(path if layer.method is None else (*path, "method"), str(error)) from error
        chosen.append(node)
    return chosen


def _output_place(graph: Graph) -> int:
    """Index of the output layer: the last one with weights, whatever activation or dropout follows it."""
    return max(place for place, node in enumerate(graph.nodes) if node.parameters)


def _suits(options: PretrainOptions, graph: Graph, node: Node) -> bool:
    if "weights" not in node.parameters or node.layer.share is not None or node.mirrors is not None:
        return False
    if not options.method.takes(node):
        return False
    try:
        options.method.check(node)
        options.method.check_in(graph, node)
    except ValueError as error:
        raise MisfitError(("pretrain", "method"), str(error)) from error
    return True


class Walk:
    """Each layer's output over whole data sets, computed once and kept for the next stage.

    Parameters
    ----------
    network: whose parameters are being pretrained; layers are passed in evaluation mode.
    sources: the data sets to pass, e.g. training and validation.
    batch_size: samples passed at once (no result depends on it).
    storage: where outputs are kept (nor on that).
    """

    def __init__(
        self, network: Network, sources: Sequence[BatchSource], batch_size: int, storage: Storage | None = None
    ) -> None:
        self._network, self._batch_size = network, batch_size
        self._storage = storage or Storage()
        self._place = 0
        self._features = [self._materialise(source) for source in sources]

    def inputs_of(self, node: Node, instead: Mapping[str, Array] | None = None) -> list[Array]:
        """What ``node`` takes, (N, …) for each source: the outputs of the layers below it, as they are now.

        Parameters named in ``instead`` stand for the network's.
        """
        place = self._network.graph.nodes.index(node)
        if place < self._place:
            raise ValueError(f"the walk has passed {node.name}")
        if place > self._place:
            self._pass_through(self._network.graph.nodes[self._place : place], instead or {})
            self._place = place
        return self._features

    def _pass_through(self, nodes: Sequence[Node], instead: Mapping[str, Array]) -> None:
        alone = {"inputs": None, "share": None}
        layers = [node.layer.model_copy(update={"name": node.name, **alone}) for node in nodes]
        tensors = self._network.tensors | dict(instead)
        tensors |= {f"{node.name}/{name}": tensors[node.source(name)] for node in nodes for name in node.parameters}
        part = Network(Graph.build(layers, nodes[0].inputs[0]), parameters=tensors)
        for index, features in enumerate(self._features):
            outputs = self._storage.empty((len(features), *nodes[-1].shape), features.dtype)
            for start in range(0, len(features), self._batch_size):
                batch = features[start : start + self._batch_size]
                outputs[start : start + len(batch)] = part.forward(batch)
            self._features[index] = outputs

    def _materialise(self, source: BatchSource) -> Array:
        """All of a source's samples, transformed."""
        samples = self._storage.empty((len(source), *source.sample_shape), self._network.dtype)
        start = 0
        for batch in source.iterate(self._batch_size, dtype=self._network.dtype):
            samples[start : start + len(batch.x)] = batch.x
            start += len(batch.x)
        return samples
