"""What of a trained network can be seen as images: its samples, and the weights that look at them."""

from math import isqrt, prod

import numpy as np

from dlcli.errors import UsageError
from dlcli.graph import Node
from dlcli.layers.base import Array, Shape
from dlcli.layers.class_rbm import ClassRbm
from dlcli.layers.conv2d import Conv2d
from dlcli.layers.dense import Dense
from dlcli.models.features import chosen_layer, sees_samples
from dlcli.models.kept import kept
from dlcli.models.restricted import directed_of
from dlcli.pretrain.methods.dbm import visible_units
from dlcli.trained import Trained

CHANNELS = (1, 3)  # grey; red, green, blue
MODELS = ("rbm", "dbm", "machine", "encoder")  # behind a layer's name: what pretraining keeps weights of


def image_shape(trained: Trained) -> Shape:
    """(height, width, channels) of a sample as the network takes it.

    Flat samples have the shape that the data had before they were flattened; if they came flat, and have a square
    number of values, they are taken as grey squares.

    Raises
    ------
    UsageError: the samples are no images of one or three channels.
    """
    shape = trained.network.graph.input_shape
    size = prod(shape)
    raw = trained.raw_shape
    if len(shape) == 1 and len(raw) == 3 and prod(raw) == size:
        shape = raw
    elif len(shape) == 1 and isqrt(size) ** 2 == size:
        shape = (isqrt(size), isqrt(size), 1)
    if len(shape) != 3 or shape[2] not in CHANNELS:
        raise UsageError(f"found samples of shape {list(shape)}, expected images of one or three channels")
    return shape


def weight_images(trained: Trained, layer: str | None = None, *, pretrained: bool = False) -> tuple[str, Array]:
    """A layer's weights as images, one for each unit or filter: the layer's name, and (units, H, W, C).

    Parameters
    ----------
    layer: its name; by default the first layer with weights. What it takes beside the samples, a posterior's means or
        labels, is left out.
    pretrained: whether they are those that pretraining has kept, not the network's present ones.

    Raises
    ------
    UsageError: it does not look at images, or pretraining has kept nothing of it.
    CheckpointError: what is kept does not fit the layer.
    """
    node = _with_weights(trained) if layer is None else chosen_layer(trained, layer)
    if "weights" not in node.parameters:
        raise UsageError(f"{node.name} has no weights to show")
    weights = _pretrained(trained, node) if pretrained else trained.network.parameters[node.source("weights")]
    if isinstance(node.layer, Conv2d):
        if weights.shape[2] not in CHANNELS:
            found = f"filters on {weights.shape[2]} channels"
            raise UsageError(f"{node.name} has {found}, expected filters on one or three, as a first layer has")
        return node.name, np.moveaxis(weights, 3, 0)
    if not isinstance(node.layer, Dense | ClassRbm) or not sees_samples(trained, node):
        kind = getattr(node.layer, "type", "layer")
        raise UsageError(f"{node.name} ({kind}) does not look at the samples; expected a first dense or conv2d layer")
    shape = image_shape(trained)
    return node.name, weights[: prod(shape)].T.reshape(-1, *shape)


def _with_weights(trained: Trained) -> Node:
    node = next((node for node in trained.network.graph.nodes if "weights" in node.parameters), None)
    if node is None:
        raise UsageError("the network has no weights to show")
    return node


def _pretrained(trained: Trained, node: Node) -> Array:
    """The weights that pretraining has kept of a layer: of a directed one, those for generation."""
    if (directed := directed_of(trained, node)) is not None:
        return directed.weights
    rows, *columns = node.parameters["weights"].shape
    for model in MODELS:
        if (name := f"{node.name}.{model}/weights") in trained.models:
            size = visible_units(node, trained.network) if model == "dbm" else rows
            return kept(trained, name, (size, *columns))
    raise UsageError(f"pretraining has kept no weights of {node.name}; expected a layer that was pretrained")
