"""Autoencoders: a layer folded back at its output, x → y → x' (survey, section 3.2, figs. 4 and 5)."""

from typing import Any, Literal

from pydantic import model_validator

from dlcli.errors import MisfitError
from dlcli.graph import Graph, Node
from dlcli.layers.base import Activation, Array, Layer
from dlcli.layers.masking_noise import MaskingNoise
from dlcli.layers.sparsity import Sparsity, SparsityOptions
from dlcli.losses.base import Loss
from dlcli.losses.mean_squared_error import MeanSquaredError
from dlcli.losses.sigmoid_cross_entropy import SigmoidCrossEntropy
from dlcli.network import Network
from dlcli.options import Share
from dlcli.pretrain.base import Method, Task
from dlcli.training.backpropagation import Backpropagation
from dlcli.training.objective import Objective

MIRROR = "mirror"  # among what is noted of a layer: the mirror's layers, each with its name and its options


class Autoencoder(Method):
    """Layer and mirror learn to reconstruct the layer's input.

    The loss is a sum over the input's values and a mean over samples; squared error carries ½.
    """

    type: Literal["autoencoder"] = "autoencoder"
    tied: bool = True
    """Whether the mirror has the layer's weights, transposed; otherwise weights of its own (the survey's form)."""
    reconstruction: Literal["sigmoid", "linear"] | None = None
    """Units of the reconstruction; by default sigmoid where all of the layer's inputs lie in [0, 1], else linear."""
    loss: Literal["cross_entropy", "squared_error"] | None = None
    """Measure of the reconstruction; by default cross-entropy with sigmoid units, squared error with linear ones."""
    sparsity: SparsityOptions | None = None
    """Sparse regularisation of the layer's activity."""
    corruption: Share = 0.0
    """Share of the inputs set to zero at random, the reconstruction's target being the whole input (Vincent 2008)."""

    @model_validator(mode="after")
    def _loss_fits(self) -> "Autoencoder":
        if self.loss == "cross_entropy" and self.reconstruction == "linear":
            raise ValueError("loss cross_entropy needs sigmoid reconstruction, found linear")
        if self.sparsity is not None and not (self.sparsity.weight or self.sparsity.l1):
            raise ValueError("found sparsity without effect; expected its weight or l1 to be above 0")
        return self

    def check(self, node: Node) -> None:
        if node.layer.reconstructor(node.inputs, name=node.name, activation="linear", tied=self.tied) is None:
            kind = getattr(node.layer, "type", "")
            raise ValueError(f"layer {node.name} ({kind}) cannot be folded back; expected a dense layer")
        activation = getattr(node.layer, "activation", "linear")
        if self.sparsity is not None and self.sparsity.weight and activation != "sigmoid":
            raise ValueError(
                f"sparsity.weight draws activities between 0 and 1 to a target, but {node.name} is {activation}; "
                "expected sigmoid units, or sparsity.l1"
            )

    def objective(self, task: Task) -> Objective:
        node, network, inputs = task.node, task.network, task.train.x
        activation, loss = self._reconstruction(inputs)
        try:
            loss.check_targets(inputs)
        except ValueError as error:
            raise MisfitError(("pretrain", "method"), f"reconstructing the inputs of {node.name}: {error}") from error
        graph = Graph.build(self._layers(node, activation), node.inputs[0])
        autoencoder = Network(graph, seed=network.seed, parameters=network.tensors)
        own = [name for name in graph.parameters if name not in network.parameters]
        autoencoder.initialise(own)
        units: Activation = "sigmoid" if isinstance(loss, SigmoidCrossEntropy) else activation
        notes = {node.name: {MIRROR: _described(graph.nodes[-1], units)}}
        return Backpropagation(autoencoder, loss, task.optimiser, kept=own, notes=notes)

    def _reconstruction(self, inputs: Array) -> tuple[Activation, Loss]:
        """The mirror's activation and the loss. Cross-entropy takes the sum before the sigmoid, which is stable."""
        units = self.reconstruction
        if units is None:
            in_range = bool(inputs.min() >= 0 and inputs.max() <= 1)
            units = "sigmoid" if in_range or self.loss == "cross_entropy" else "linear"
        if units == "sigmoid" and self.loss != "squared_error":
            return "linear", SigmoidCrossEntropy()
        return units, MeanSquaredError()

    def _layers(self, node: Node, activation: Activation) -> list[Layer]:
        """Corruption, the layer itself, its sparsity, its mirror: those that are asked for."""
        layers: list[Layer] = []
        if self.corruption:
            layers.append(_named(MaskingNoise(rate=self.corruption), f"{node.name}.noise"))
        layers.append(_named(node.layer, node.name))
        if self.sparsity is not None:
            layers.append(_named(Sparsity(**self.sparsity.model_dump()), f"{node.name}.sparsity"))
        mirror = node.layer.reconstructor(node.inputs, name=node.name, activation=activation, tied=self.tied)
        assert mirror is not None, "checked before the first step"  # noqa: S101
        return [*layers, _named(mirror, f"{node.name}.mirror")]


def _described(mirror: Node, units: Activation) -> list[tuple[str, dict[str, Any]]]:
    """The mirror as it reconstructs: with the units that belong to the loss."""
    options = mirror.layer.model_copy(update={"activation": units}).model_dump(mode="json", exclude={"name", "inputs"})
    return [(mirror.name, options)]


def _named(layer: Layer, name: str) -> Layer:
    """The layer under a name of the stage's own; the dot keeps it apart from any name in a config."""
    return layer.model_copy(update={"name": name, "inputs": None})
