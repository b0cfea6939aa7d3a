"""What of a trained network can be seen as images: its samples, and the weights that look at them."""

from math import isqrt, prod

import numpy as np

from dlcli.errors import UsageError
from dlcli.graph import Node
from dlcli.layers.base import Array, Shape
from dlcli.layers.conv2d import Conv2d
from dlcli.layers.dense import Dense
from dlcli.models.features import chosen_layer, passes
from dlcli.trained import Trained

CHANNELS = (1, 3)  # grey; red, green, blue


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


def weight_images(trained: Trained, layer: str | None = None) -> tuple[str, Array]:
    """A layer's weights as images, one for each unit or filter: the layer's name, and (units, H, W, C).

    By default of the first layer with weights.

    Raises
    ------
    UsageError: it does not look at images.
    """
    graph = trained.network.graph
    if layer is None:
        node = next(node for node in graph.nodes if "weights" in node.parameters)
    else:
        node = chosen_layer(trained, layer)
    if "weights" not in node.parameters:
        raise UsageError(f"{node.name} has no weights to show")
    weights = trained.network.parameters[node.source("weights")]
    if isinstance(node.layer, Conv2d):
        if weights.shape[2] not in CHANNELS:
            found = f"filters on {weights.shape[2]} channels"
            raise UsageError(f"{node.name} has {found}, expected filters on one or three, as a first layer has")
        return node.name, np.moveaxis(weights, 3, 0)
    if not isinstance(node.layer, Dense) or not _sees_samples(trained, node):
        kind = getattr(node.layer, "type", "layer")
        raise UsageError(f"{node.name} ({kind}) does not look at the samples; expected a first dense or conv2d layer")
    return node.name, weights.T.reshape(-1, *image_shape(trained))


def _sees_samples(trained: Trained, node: Node) -> bool:
    """Whether nothing stands between the samples and a layer, in evaluation."""
    nodes = trained.network.graph.nodes
    (source,) = node.sources
    while source >= 0:
        if not passes(nodes[source]):
            return False
        (source,) = nodes[source].sources
    return True
