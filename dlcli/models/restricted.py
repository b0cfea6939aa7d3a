"""The RBMs in a checkpoint, one a layer: arrays that pretraining has kept, and units as its notes describe them."""

from typing import Any

import numpy as np

from dlcli.errors import CheckpointError
from dlcli.graph import Node
from dlcli.layers.class_rbm import ClassRbm
from dlcli.models.kept import kept, kept_if_there, sides
from dlcli.pretrain.boltzmann.rbm import Rbm
from dlcli.pretrain.units.base import Units
from dlcli.pretrain.units.binary import Binary
from dlcli.trained import Trained


def rbm_nodes(trained: Trained) -> list[Node]:
    """The layers that were pretrained as RBMs, from the input up."""
    return [node for node in trained.network.graph.nodes if f"{node.name}.rbm/weights" in trained.models]


def rbm_of(trained: Trained, node: Node) -> Rbm:
    """The RBM that a layer was pretrained as.

    Raises
    ------
    CheckpointError: the checkpoint does not describe it, or its arrays do not fit the layer.
    """
    own, (visible, hidden) = f"{node.name}.rbm", sides(trained, node)
    try:
        note = trained.notes[node.name]
        kinds = _units(note["visible"], visible), _units(note["hidden"], hidden)
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{trained.path}: its notes on {node.name} are not those of dlcli: {error}") from error
    return Rbm(
        kept(trained, f"{own}/weights", (visible, hidden)),
        kept(trained, f"{own}/visible_bias", (visible,)),
        kept(trained, f"{own}/bias", (hidden,)),
        *kinds,
        labels=node.layer.classes if isinstance(node.layer, ClassRbm) else 0,
        log_variance=kept_if_there(trained, f"{own}/log_variance", (visible,)),
    )


def directed_of(trained: Trained, node: Node) -> Rbm | None:
    """A layer with weights of its own for generation, as a machine of which only the way down is used.

    Raises
    ------
    CheckpointError: its arrays do not fit the layer.
    """
    own = f"{node.name}.generation"
    if f"{own}/weights" not in trained.models:
        return None
    visible, hidden = sides(trained, node)
    weights = kept(trained, f"{own}/weights", (hidden, visible))
    bias = kept(trained, f"{own}/bias", (visible,))
    return Rbm(np.ascontiguousarray(weights.T), bias, np.zeros(hidden, weights.dtype), Binary(), Binary())


def recognition_of(trained: Trained, node: Node) -> Rbm | None:
    """A layer with weights of its own for generation, as a machine of which only the way up is used.

    None, too, where an earlier version has kept no recognition: then the network's own, as it is now, must do.

    Raises
    ------
    CheckpointError: its arrays do not fit the layer.
    """
    own = f"{node.name}.recognition"
    if f"{own}/weights" not in trained.models:
        return None
    visible, hidden = sides(trained, node)
    weights = kept(trained, f"{own}/weights", (visible, hidden))
    bias = kept(trained, f"{own}/bias", (hidden,))
    return Rbm(weights, np.zeros(visible, weights.dtype), bias, Binary(), Binary())


def _units(options: dict[str, Any], count: int) -> Units:
    units: Units = Units.members()[options["type"]].model_validate(options)
    units.check(count)
    return units
