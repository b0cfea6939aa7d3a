"""Unrolling: the decoder of a deep autoencoder starts as the mirror of its encoder.

G. Hinton, R. Salakhutdinov, "Reducing the dimensionality of data with neural networks", Science 313 (2006), fig. 1:
layers are pretrained one by one, then unrolled, and the whole, whose two halves are untied from then on, is fine-tuned
to reconstruct its inputs.
"""

import numpy as np

from dlcli.graph import Node
from dlcli.layers.base import Array
from dlcli.layers.mirroring import Mirroring
from dlcli.network import Network
from dlcli.training.stage import Models

BIASES = ("mirror/bias", "rbm/visible_bias")  # what pretraining keeps of the reconstruction of a layer's inputs


def unroll(network: Network, models: Models) -> None:
    """Give every layer with `mirrors` the weights of the one that it mirrors, transposed, and the bias that fits.

    Parameters
    ----------
    network: whose parameters are changed in place.
    models: what pretraining has kept (see `Objective.kept`). Weights of an untied mirror are preferred to the layer's
        own; where no bias of a reconstruction was kept, the mirror's stays as it is.
    """
    for node in network.graph.nodes:
        if isinstance(node.layer, Mirroring) and node.mirrors is not None:
            _mirror(network, node, node.layer.mirror_axes, models)


def _mirror(network: Network, node: Node, axes: tuple[int, ...], models: Models) -> None:
    weights = network.parameters[node.source("weights")]
    kept, machine = (models.get(f"{node.mirrors}.{name}/weights") for name in ("mirror", "rbm"))
    if kept is not None and kept.shape == weights.shape:
        np.copyto(weights, kept)
    elif machine is not None and machine.T.shape == weights.shape:
        np.copyto(weights, machine.T)  # which are not the layer's where the machine has learned variances
    else:
        mirrored = network.graph.node(str(node.mirrors))
        np.copyto(weights, network.parameters[mirrored.source("weights")].transpose(axes))
    bias, offset = network.parameters.get(f"{node.name}/bias"), _bias(node, models)
    if bias is not None and offset is not None and bias.shape == offset.shape:
        np.copyto(bias, offset)


def _bias(node: Node, models: Models) -> Array | None:
    return next((models[name] for tail in BIASES if (name := f"{node.mirrors}.{tail}") in models), None)
