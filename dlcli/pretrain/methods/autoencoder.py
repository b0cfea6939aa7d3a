"""Autoencoders: a layer folded back at its output, x → y → x' (survey, section 3.2, figs. 4 and 5)."""

from collections.abc import Iterator
from math import prod
from typing import Any, Literal

from pydantic import ValidationInfo, field_validator, model_validator

from dlcli.errors import MisfitError
from dlcli.graph import Graph, Node
from dlcli.layers.base import Activation, Array, Layer, ShapeError
from dlcli.layers.contraction import Contraction
from dlcli.layers.dense import Dense
from dlcli.layers.gaussian_noise import GaussianNoise
from dlcli.layers.k_winners import KWinners
from dlcli.layers.masking_noise import MaskingNoise
from dlcli.layers.salt_and_pepper_noise import SaltAndPepperNoise
from dlcli.layers.sparsity import Sparsity, SparsityOptions
from dlcli.losses.base import Loss
from dlcli.losses.mean_squared_error import MeanSquaredError
from dlcli.losses.sigmoid_cross_entropy import SigmoidCrossEntropy
from dlcli.network import Network
from dlcli.options import Count, NonNegative
from dlcli.pretrain.base import Method, Task
from dlcli.pretrain.folded import Folded, Unpooling, check_unpooling, pooling_after
from dlcli.training.backpropagation import Backpropagation
from dlcli.training.objective import Objective

MIRROR = "mirror"  # among what is noted of a layer: the mirror's layers, each with its name and its options


def encoder_name(layer: str, parameter: str) -> str:
    """The name under which a layer's parameter is kept as pretraining has left it, for its mirror to fit."""
    return f"{layer}.encoder/{parameter}"


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
    k_winners: Count | None = None
    """How many of the layer's units, the most active for each sample, take part in its reconstruction; the others rest
    (Makhzani and Frey 2013). By default all take part."""
    contraction: NonNegative = 0.0
    """Weight of the contractive penalty, the squared norm of the layer's Jacobian (Rifai et al. 2011); for dense layers
    of sigmoid or tanh units."""
    noise: Literal["masking", "salt_and_pepper", "gaussian"] = "masking"
    """What corrupts the inputs, the reconstruction's target being the whole input (Vincent et al. 2010): zeros in place
    of some, the least or the greatest of all inputs in place of some, or normal noise added to each."""
    corruption: NonNegative = 0.0
    """How much of it: the share of the inputs that are replaced, or the standard deviation of `gaussian` noise."""
    pooling: Unpooling | None = None
    """Whether a pooling layer that follows is folded in, too, and how its mirror puts values back: where the largest
    were (`switches`, max pooling alone) or everywhere in the window (`upsampling`). By default it is left out, and the
    layer alone reconstructs its inputs."""

    @field_validator("corruption")
    @classmethod
    def _share_or_deviation(cls, corruption: float, info: ValidationInfo) -> float:
        if corruption >= 1 and info.data.get("noise") != "gaussian":
            raise ValueError(f"found {corruption:g}, expected a share below 1 (gaussian noise may have any deviation)")
        return corruption

    @model_validator(mode="after")
    def _loss_fits(self) -> "Autoencoder":
        if self.loss == "cross_entropy" and self.reconstruction == "linear":
            raise ValueError("loss cross_entropy needs sigmoid reconstruction, found linear")
        if self.sparsity is not None and not (self.sparsity.weight or self.sparsity.l1):
            raise ValueError("found sparsity without effect; expected its weight or l1 to be above 0")
        if "noise" in self.model_fields_set and "corruption" not in self.model_fields_set:
            raise ValueError(f"found noise {self.noise} without corruption, expected how much of it: corruption")
        return self

    def takes(self, node: Node) -> bool:
        try:
            self._mirror(node, "linear")
        except ShapeError:
            return False
        return True

    def check(self, node: Node) -> None:
        try:
            self._mirror(node, "linear")
        except ShapeError as error:
            kind = getattr(node.layer, "type", "")
            raise ValueError(f"layer {node.name} ({kind}) cannot be folded back; {error}") from error
        activation = getattr(node.layer, "activation", "linear")
        if self.sparsity is not None and self.sparsity.weight and activation != "sigmoid":
            raise ValueError(
                f"sparsity.weight draws activities between 0 and 1 to a target, but {node.name} is {activation}; "
                "expected sigmoid units, or sparsity.l1"
            )
        if self.contraction and not (isinstance(node.layer, Dense) and activation in ("sigmoid", "tanh")):
            kind = getattr(node.layer, "type", "")
            raise ValueError(
                f"contraction is for dense layers of sigmoid or tanh units, {node.name} is {activation} {kind}"
            )
        if self.k_winners is not None and self.k_winners > prod(node.shape):
            raise ValueError(
                f"found {self.k_winners} k_winners, expected at most the {prod(node.shape)} of {node.name}"
            )

    def check_in(self, graph: Graph, node: Node) -> None:
        pool = pooling_after(node, graph)
        if self.pooling is not None and pool is not None:
            check_unpooling(pool, self.pooling)
        if self.pooling is not None and not any(pooling_after(each, graph) for each in graph.nodes if self.takes(each)):
            raise ValueError(f"found pooling {self.pooling}, and no pooling follows {node.name} or any other layer")

    def objective(self, task: Task) -> Objective:
        node, network, inputs = task.node, task.network, task.train.x
        activation, loss = self._reconstruction(inputs)
        try:
            loss.check_targets(inputs)
        except ValueError as error:
            raise MisfitError(("pretrain", "method"), f"reconstructing the inputs of {node.name}: {error}") from error
        pool = None if self.pooling is None else pooling_after(node, network.graph)
        folded = Folded(
            node,
            mirror=self._mirror(node, activation),
            noise=self._noise(inputs) if self.corruption else None,
            after=tuple(self._after(node)),
            pool=pool,
            unpooling=self.pooling or "switches",
        )
        graph = Graph.build(folded.layers(), node.inputs[0])
        autoencoder = Network(graph, seed=network.seed, parameters=network.tensors)
        own = [name for name in graph.parameters if name not in network.parameters]
        autoencoder.initialise(own)
        units: Activation = "sigmoid" if isinstance(loss, SigmoidCrossEntropy) else activation
        notes = {node.name: {MIRROR: _described(graph, node.name, units)}}
        kept = {name: name for name in own} | {
            encoder_name(node.name, each): node.source(each) for each in node.parameters
        }
        return Backpropagation(autoencoder, loss, task.optimiser, kept=kept, notes=notes)

    def _mirror(self, node: Node, activation: Activation) -> Layer:
        return node.layer.reconstructor(node.inputs, name=node.name, activation=activation, tied=self.tied)

    def _reconstruction(self, inputs: Array) -> tuple[Activation, Loss]:
        """The mirror's activation and the loss. Cross-entropy takes the sum before the sigmoid, which is stable."""
        units = self.reconstruction
        if units is None:
            in_range = bool(inputs.min() >= 0 and inputs.max() <= 1)
            units = "sigmoid" if in_range or self.loss == "cross_entropy" else "linear"
        if units == "sigmoid" and self.loss != "squared_error":
            return "linear", SigmoidCrossEntropy()
        return units, MeanSquaredError()

    def _noise(self, inputs: Array) -> Layer:
        if self.noise == "gaussian":
            return GaussianNoise(deviation=self.corruption)
        if self.noise == "salt_and_pepper":
            return SaltAndPepperNoise(rate=self.corruption, low=float(inputs.min()), high=float(inputs.max()))
        return MaskingNoise(rate=self.corruption)

    def _after(self, node: Node) -> Iterator[Layer]:
        if self.contraction:
            yield Contraction(
                tied_to=node.name,
                fan_in=prod(node.inputs[0]),
                activation=node.layer.activation,  # type: ignore[attr-defined]
                weight=self.contraction,
            )
        if self.sparsity is not None:
            yield Sparsity(**self.sparsity.model_dump())
        if self.k_winners is not None:
            yield KWinners(k=self.k_winners)


def _described(graph: Graph, name: str, units: Activation) -> list[tuple[str, dict[str, Any]]]:
    """What stands behind the layer and does something in evaluation; the mirror with the units of the loss."""
    place = 1 + graph.nodes.index(graph.node(name))
    layers = [(node.name, node.layer) for node in graph.nodes[place:] if not node.layer.is_view]
    layers[-1] = (layers[-1][0], layers[-1][1].model_copy(update={"activation": units}))
    return [(called, layer.model_dump(mode="json", exclude={"name"})) for called, layer in layers]
