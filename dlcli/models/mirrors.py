"""The way back through a pretrained layer: from its output to a reconstruction of its input.

This is the one place that knows which models have one. An autoencoder's mirror stands in the checkpoint's notes; an
RBM's visible units are a mirror with the machine's weights, which the layer gets back on the way up, too. A layer of a
deep belief net that has learned by the up-down algorithm has weights of its own for the way down, and gets those back
with which it recognised then.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dlcli.errors import CheckpointError, UsageError
from dlcli.graph import Node
from dlcli.layers.base import Activation, Array, Layer
from dlcli.layers.dense import Dense
from dlcli.models.restricted import directed_of, rbm_nodes, rbm_of, recognition_of
from dlcli.pretrain.boltzmann.rbm import Rbm
from dlcli.pretrain.methods.autoencoder import MIRROR, encoder_name
from dlcli.trained import Trained

VISIBLE: dict[str, Activation] = {"binary": "sigmoid", "gaussian": "linear", "relu": "relu"}  # means of visible units
POOL = ".pool"  # behind a layer's name: the pooling layer that an autoencoder folds in


@dataclass(frozen=True)
class Mirror:
    """The layers that lead back, each with a name of its own, and arrays by name, theirs and new ones of the layer.

    ``pooled``: whether they begin behind the pooling layer that follows, and undo it as well.
    """

    layers: Sequence[Layer]
    arrays: Mapping[str, Array]
    pooled: bool = False


def mirror_of(trained: Trained, node: Node) -> Mirror | None:
    """The way back through a layer, if there is one.

    Raises
    ------
    CheckpointError: the notes are not what pretraining writes.
    UsageError: the visible units are of a kind whose means no layer computes.
    """
    note = trained.notes.get(node.name, {})
    try:
        layers = [_layer(name, options) for name, options in note[MIRROR]] if MIRROR in note else []
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{trained.path}: its notes on {node.name} are not those of dlcli: {error}") from error
    if layers:
        return _autoencoder(trained, node, layers)
    if not isinstance(node.layer, Dense):
        return None
    if (directed := directed_of(trained, node)) is not None:
        return _generation(node, directed, recognition_of(trained, node))
    return _visible(node, rbm_of(trained, node)) if node in rbm_nodes(trained) else None


def _autoencoder(trained: Trained, node: Node, layers: list[Layer]) -> Mirror:
    names = [layer.name for layer in layers]
    arrays = {name: array for name, array in trained.models.items() if name.rpartition("/")[0] in names}
    for name in node.parameters:  # checkpoints of earlier versions have the network's alone
        if (own := encoder_name(node.name, name)) in trained.models:
            arrays[f"{node.name}/{name}"] = trained.models[own]
    pool = f"{node.name}{POOL}"
    return Mirror(layers[names.index(pool) + 1 :] if pool in names else layers, arrays, pooled=pool in names)


def _visible(node: Node, rbm: Rbm) -> Mirror:
    """The visible side of an RBM."""
    units = str(getattr(rbm.visible, "type", ""))
    if units not in VISIBLE:
        kinds = ", ".join(VISIBLE)
        raise UsageError(f"{node.name} reconstructs its input by {units} units; expected one of: {kinds}")
    name, up = f"{node.name}.visible", rbm.weights
    if rbm.log_variance is not None:  # hidden means take v_i / σ_i², visible ones W as it is
        up = np.ascontiguousarray(up * np.exp(-rbm.log_variance)[:, None])
    layer = Dense(units=len(rbm.weights), activation=VISIBLE[units])
    down = {f"{name}/weights": np.ascontiguousarray(rbm.weights.T), f"{name}/bias": rbm.visible_bias}
    return Mirror([_named(layer, name)], {f"{node.name}/weights": up, f"{node.name}/bias": rbm.hidden_bias} | down)


def _generation(node: Node, directed: Rbm, recognition: Rbm | None) -> Mirror:
    """The way down of a directed layer, and that up which belongs to it."""
    name, weights = f"{node.name}.generation", np.ascontiguousarray(directed.weights.T)
    layer = Dense(units=len(directed.weights), activation="sigmoid")
    arrays = {f"{name}/weights": weights, f"{name}/bias": directed.visible_bias}
    if recognition is not None:
        arrays |= {f"{node.name}/weights": recognition.weights, f"{node.name}/bias": recognition.hidden_bias}
    return Mirror([_named(layer, name)], arrays)


def _named(layer: Layer, name: str) -> Layer:
    return layer.model_copy(update={"name": name})


def _layer(name: str, options: dict[str, Any]) -> Layer:
    return _named(Layer.members()[options["type"]].model_validate(options), name)
