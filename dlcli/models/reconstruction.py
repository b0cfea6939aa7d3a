"""Inputs as a model sees them: up through its layers, and back down."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from dlcli.data.pipeline import BatchSource
from dlcli.errors import MisfitError, UsageError
from dlcli.graph import Graph, Node
from dlcli.kernels import activation as activations
from dlcli.layers.base import Array, Layer
from dlcli.layers.reshape import Reshape
from dlcli.losses.sigmoid_cross_entropy import SigmoidCrossEntropy
from dlcli.models.deep_boltzmann import deep_boltzmann_machine
from dlcli.models.features import BATCH, chosen_layer, passes
from dlcli.models.mirrors import mirror_of
from dlcli.network import Network
from dlcli.trained import Trained


@dataclass(frozen=True)
class Reconstructor:
    """Something that gives, for inputs (n, *sample_shape), what it takes them for: values of the same number."""

    reconstruct: Callable[[Array], Array]

    def pairs(self, sources: Iterable[BatchSource]) -> Iterator[tuple[Array, Array]]:
        """Inputs, as the transforms leave them, and their reconstructions, both (n, *sample_shape), in order."""
        for source in sources:
            for batch in source.iterate(BATCH):
                yield batch.x.copy(), self.reconstruct(batch.x).reshape(batch.x.shape).copy()


def reconstructor(trained: Trained, layer: str | None = None) -> Reconstructor:
    """What reconstructs the inputs of a trained network.

    Parameters
    ----------
    layer: up to which inputs go before they come back, by the mirrors of pretraining; by default the last pretrained
        one. A network that was trained to give its inputs reconstructs them by its own output, unless a layer is named.
        A deep Boltzmann machine infers its hidden layers by mean field.

    Raises
    ------
    UsageError: nothing was pretrained (so far up), or there is no way back through a layer between.
    """
    if layer is None and trained.experiment.data.targets == "input":
        return Reconstructor(partial(_output, trained))
    if (machine := deep_boltzmann_machine(trained, layer)) is not None:
        return Reconstructor(machine.reconstruct)
    nodes = _nodes(trained, layer)
    tensors = trained.network.tensors
    up = [node.layer.model_copy(update={"name": node.name, "inputs": None, "share": None}) for node in nodes]
    tensors |= {f"{node.name}/{name}": tensors[node.source(name)] for node in nodes for name in node.parameters}
    down: list[Layer] = []
    for node in reversed(nodes):
        mirror = mirror_of(trained, node)
        if mirror is None:
            if not passes(node):
                kind = getattr(node.layer, "type", "layer")
                raise UsageError(f"there is no way back through {node.name} ({kind}); expected --layer with one below")
            continue
        if len(node.shape) > 1:
            down.append(Reshape(shape=node.shape))
        down += mirror[0]
        tensors |= mirror[1]
    try:
        network = Network(Graph.build([*up, *down], nodes[0].inputs[0]), parameters=tensors)
    except (MisfitError, ValueError) as error:
        message = error.message if isinstance(error, MisfitError) else str(error)
        raise UsageError(f"the way back from {nodes[-1].name} does not fit together: {message}") from error
    return Reconstructor(network.forward)


def squared_errors(inputs: Array, reconstructions: Array) -> Array:
    """(n,) float64: Σ_i (x_i − x'_i)² of each sample."""
    difference = (inputs.astype(np.float64) - reconstructions).reshape(len(inputs), -1)
    return np.asarray(np.square(difference).sum(axis=1))


def _output(trained: Trained, x: Array) -> Array:
    """The network's output, with the sigmoid that belongs to its loss."""
    outputs = trained.network.forward(x)
    if isinstance(trained.experiment.main_loss, SigmoidCrossEntropy):
        activations.forward(activations.SIGMOID, outputs, outputs)
    return outputs


def _nodes(trained: Trained, layer: str | None) -> tuple[Node, ...]:
    """The chain of layers up to the one named, or to the last one with a way back."""
    graph = trained.network.graph
    with_mirror = [place for place, node in enumerate(graph.nodes) if mirror_of(trained, node) is not None]
    if not with_mirror:
        raise UsageError(
            f"{trained.path}: found no pretrained layer and no network trained to give its inputs; expected either, "
            "to reconstruct by"
        )
    if layer is None:
        return graph.nodes[: with_mirror[-1] + 1]
    place = graph.nodes.index(chosen_layer(trained, layer))
    if place not in with_mirror:
        names = ", ".join(graph.nodes[place].name for place in with_mirror)
        raise UsageError(f"{layer} was not pretrained; expected one of: {names}")
    return graph.nodes[: place + 1]
