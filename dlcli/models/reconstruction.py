"""Inputs as a model sees them: up through its layers, and back down."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from math import prod

import numpy as np

from dlcli.data.pipeline import BatchSource
from dlcli.errors import CheckpointError, MisfitError, UsageError
from dlcli.graph import Graph, Node
from dlcli.kernels import activation as activations
from dlcli.layers.base import Array, Layer
from dlcli.layers.class_rbm import ClassRbm
from dlcli.layers.k_winners import KWinners
from dlcli.layers.reshape import Reshape
from dlcli.losses.sigmoid_cross_entropy import SigmoidCrossEntropy
from dlcli.models.deep_boltzmann import deep_boltzmann_machine
from dlcli.models.features import BATCH, chosen_layer, passes
from dlcli.models.general_boltzmann import general_boltzmann_machine
from dlcli.models.mirrors import POOL, Mirror, mirror_of
from dlcli.models.restricted import rbm_nodes
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
        A deep or general Boltzmann machine infers its hidden units by mean field.

    Raises
    ------
    UsageError: nothing was pretrained (so far up), or there is no way back through a layer between.
    CheckpointError: what pretraining has kept does not fit together.
    """
    if layer is None and trained.experiment.data.targets == "input":
        return Reconstructor(partial(_output, trained))
    for find in (deep_boltzmann_machine, general_boltzmann_machine):
        if (machine := find(trained, layer)) is not None:
            return Reconstructor(machine.reconstruct)
    nodes, mirrors = _stack(trained, layer)
    return Reconstructor(_unrolled(trained, nodes, mirrors).forward)


def squared_errors(inputs: Array, reconstructions: Array) -> Array:
    """(n,) float64: Σ_i (x_i − x'_i)² of each sample."""
    difference = (inputs.astype(np.float64) - reconstructions).reshape(len(inputs), -1)
    return np.asarray(np.square(difference).sum(axis=1))


def _unrolled(trained: Trained, nodes: Sequence[Node], mirrors: Sequence[Mirror | None]) -> Network:
    """The layers, and behind the last one their mirrors, from the top down, as one network."""
    tensors = trained.network.tensors
    layers = [node.layer.model_copy(update={"name": node.name, "inputs": None, "share": None}) for node in nodes]
    tensors |= {f"{node.name}/{name}": tensors[node.source(name)] for node in nodes for name in node.parameters}
    for place in range(len(nodes) - 1, -1, -1):
        mirror = mirrors[place]
        if mirror is None:
            continue
        shape = nodes[place + mirror.pooled].shape
        if len(shape) > 1:
            layers.append(Reshape(shape=shape).model_copy(update={"name": f"{nodes[place].name}.reshaped"}))
        layers += _joined(mirror.layers, {f"{nodes[place].name}{POOL}": str(layers[-1].name)})
        tensors |= mirror.arrays
    try:
        graph = Graph.build(layers, nodes[0].inputs[0])
        if missing := graph.parameters.keys() - tensors.keys():
            raise ValueError(f"tensor {min(missing)!r} is missing")
        if prod(graph.output_shape) != prod(graph.input_shape):
            raise ValueError(f"found {prod(graph.output_shape)} values, expected {prod(graph.input_shape)}")
        return Network(graph, parameters=tensors)
    except (MisfitError, ValueError) as error:
        message = error.message if isinstance(error, MisfitError) else str(error)
        raise CheckpointError(
            f"{trained.path}: the way back from {nodes[-1].name} does not fit together: {message}"
        ) from error


def _joined(layers: Sequence[Layer], names: dict[str, str]) -> list[Layer]:
    """The layers with those that they take by name called as in the unrolled network."""
    return [
        layer.model_copy(update={"inputs": tuple(names.get(name, name) for name in layer.inputs)})
        if layer.inputs
        else layer
        for layer in layers
    ]


def _stack(trained: Trained, layer: str | None) -> tuple[Sequence[Node], Sequence[Mirror | None]]:
    """The chain of layers up to the one named, or to the last one with a way back, and each one's way, if it has one.

    Raises
    ------
    UsageError: see `reconstructor`.
    """
    nodes = trained.network.graph.nodes
    mirrors = [mirror_of(trained, node) for node in nodes]
    there = [place for place, mirror in enumerate(mirrors) if mirror is not None]
    names = ", ".join(nodes[place].name for place in there)
    labelled = [node.name for node in rbm_nodes(trained) if isinstance(node.layer, ClassRbm)]
    if layer in labelled or (labelled and not there):
        found = f"{layer or labelled[0]} (class_rbm) was pretrained with labels beside its inputs"
        raise UsageError(
            f"{found}, and leads back to none; expected {f'one of: {names}' if names else 'another layer'}"
        )
    if not there:
        raise UsageError(
            f"{trained.path}: found no pretrained layer and no network trained to give its inputs; expected either, "
            "to reconstruct by"
        )
    top = there[-1] if layer is None else nodes.index(chosen_layer(trained, layer))
    if top not in there:
        raise UsageError(f"{layer} was not pretrained; expected one of: {names}")
    undone = {place + 1 for place in there if (mirror := mirrors[place]) is not None and mirror.pooled}
    for place, node in enumerate(nodes[:top]):
        if not (place in there or place in undone or passes(node) or isinstance(node.layer, KWinners)):
            kind = getattr(node.layer, "type", "layer")
            raise UsageError(f"there is no way back through {node.name} ({kind}); expected --layer with one below")
    end = top + 1 + (top + 1 in undone)
    return nodes[:end], mirrors[:end]


def _output(trained: Trained, x: Array) -> Array:
    """The network's output, with the sigmoid that belongs to its loss."""
    outputs = trained.network.forward(x)
    if isinstance(trained.experiment.main_loss, SigmoidCrossEntropy):
        activations.forward(activations.SIGMOID, outputs, outputs)
    return outputs
