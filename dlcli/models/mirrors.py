"""The way back through a pretrained layer: from its output to a reconstruction of its input.

This is the one place that knows which models have one. An autoencoder's mirror stands in the checkpoint's notes; an
RBM's visible units are a mirror with the layer's own weights.
"""

from math import prod
from typing import Any

from dlcli.errors import CheckpointError, UsageError
from dlcli.graph import Node
from dlcli.layers.base import Activation, Array, Layer
from dlcli.layers.dense_transposed import DenseTransposed
from dlcli.pretrain.boltzmann.divergence import Names
from dlcli.pretrain.methods.autoencoder import MIRROR
from dlcli.trained import Trained

VISIBLE: dict[str, Activation] = {"binary": "sigmoid", "gaussian": "linear", "relu": "relu"}  # means of visible units


def mirror_of(trained: Trained, node: Node) -> tuple[list[Layer], dict[str, Array]] | None:
    """The layers that lead back, each with a name of its own, and their arrays, by name; None: there is no way.

    Raises
    ------
    CheckpointError: the notes are not what pretraining writes.
    UsageError: the visible units are of a kind whose means no layer computes.
    """
    note = trained.notes.get(node.name, {})
    try:
        if MIRROR in note:
            layers = [_layer(name, options) for name, options in note[MIRROR]]
            return layers, {name: array for name, array in trained.models.items() if _owner(name) in _names(layers)}
        if (bias := trained.models.get(Names(node.name).visible_bias)) is not None:
            return _visible(node, bias, note["visible"]["type"])
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{trained.path}: its notes on {node.name} are not those of dlcli: {error}") from error
    return None


def _visible(node: Node, bias: Array, units: str) -> tuple[list[Layer], dict[str, Array]]:
    """The visible side of an RBM, without labels."""
    if units not in VISIBLE:
        kinds = ", ".join(VISIBLE)
        raise UsageError(f"{node.name} reconstructs its input by {units} units; expected one of: {kinds}")
    size = prod(node.inputs[0])
    name = f"{node.name}.visible"
    layer = DenseTransposed(tied_to=node.name, units=size, activation=VISIBLE[units])
    return [layer.model_copy(update={"name": name})], {f"{name}/bias": bias[:size].copy()}


def _layer(name: str, options: dict[str, Any]) -> Layer:
    return Layer.members()[options["type"]].model_validate(options).model_copy(update={"name": name})


def _owner(tensor: str) -> str:
    return tensor.rpartition("/")[0]


def _names(layers: list[Layer]) -> set[str | None]:
    return {layer.name for layer in layers}
