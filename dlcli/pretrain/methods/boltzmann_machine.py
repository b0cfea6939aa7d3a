"""General Boltzmann machines: a layer and its input as units that may all be coupled (survey, section 3)."""

from dataclasses import replace
from typing import ClassVar, Literal, Self

import numpy as np
from pydantic import model_validator

from dlcli.data.pipeline import BatchSource
from dlcli.graph import Node
from dlcli.initialisers.constant import Constant
from dlcli.layers.base import Array, MultiplierOptions, ParameterSpec
from dlcli.layers.dense import Dense
from dlcli.network import Network
from dlcli.options import Annotated, Count, Field, Options, Share
from dlcli.pretrain.base import Method, Task
from dlcli.pretrain.boltzmann.ais import base_rates
from dlcli.pretrain.boltzmann.exact import MOST_UNITS
from dlcli.pretrain.boltzmann.machine_learning import MachineLearning, Phases, Pieces
from dlcli.training.objective import Objective


class LateralOptions(Options):
    """Which units of one side are coupled with each other."""

    visible: bool = True
    """Whether the visible units are."""
    hidden: bool = True
    """Whether the hidden units are."""


class BoltzmannMachine(Method):
    """The layer's inputs and units become the visible and hidden units of a Boltzmann machine (Ackley et al. 1985).

    E = −½ sᵀ S s − βᵀ s over all units s, S being symmetric without diagonal. The layer's weights and bias are the
    couplings between the sides and the hidden biases; visible biases, which start at the log-odds of the data's means,
    and lateral couplings, which start at 0, are kept beside them. The layer itself ignores lateral couplings when it
    passes its inputs on. Weight decay acts on couplings alone. The loss that is logged is −log p(v) where all of it is
    exact; else the cross-entropy of each visible unit given all other units.
    """

    descends: ClassVar[bool] = True

    type: Literal["boltzmann_machine"] = "boltzmann_machine"
    lateral: LateralOptions = LateralOptions()
    """Couplings within the sides; without any, the machine is restricted."""
    hidden: bool = True
    """Whether the layer's units take part; otherwise the machine is fully visible, and the layer stays as it is."""
    exact: bool = False
    """Whether the data's statistics come from a sum over all states of the hidden units, 20 at most, and the model's
    from one over all states, where there are 20 units in all at most."""
    mean_field_steps: Annotated[int, Field(ge=0)] = 10
    """Steps of the mean field that the data's statistics come from."""
    damping: Share = 0.5
    """Share of each mean that a step of mean field leaves."""
    chains: Count = 100
    """Persistent Gibbs chains that the model's statistics come from."""
    gibbs_steps: Count = 1
    """Sweeps over all units of each chain between two updates."""

    @model_validator(mode="after")
    def _has_couplings(self) -> Self:
        if not self.hidden and not self.lateral.visible:
            raise ValueError("found no couplings at all; expected hidden units, or lateral couplings of visible ones")
        return self

    def check(self, node: Node) -> None:
        layer = node.layer
        if not isinstance(layer, Dense):
            kind = getattr(layer, "type", "")
            raise ValueError(f"layer {node.name} ({kind}) has no hidden units; expected a dense layer")
        if layer.activation != "sigmoid" or not layer.bias:
            found = layer.activation if layer.bias else "without bias"
            raise ValueError(
                f"{node.name} is {found}; expected sigmoid units with a bias: binary units have these means"
            )
        if self.exact and self.hidden and layer.units > MOST_UNITS:
            raise ValueError(f"{node.name} has {layer.units} units, expected {MOST_UNITS} at most where exact is true")

    def source(self, nodes: tuple[Node, ...], network: Network, inputs: Array, labels: Array | None) -> BatchSource:
        return BatchSource(inputs)

    def objective(self, task: Task) -> Objective:
        node = task.node
        task.check_unit_interval()
        own = f"{node.name}.machine"
        pieces = self._pieces(task)
        names = {name: f"{own}/{name}" for name in pieces.there()}
        names |= {"weights": f"{node.name}/weights", "hidden_bias": f"{node.name}/bias"}
        specs = {names[name]: _spec(name, array, node) for name, array in pieces.there().items()}
        phases = Phases(self.mean_field_steps, self.damping, self.chains, self.gibbs_steps, self.exact)
        seed = task.network.seed
        return MachineLearning(
            pieces, names, specs, task.optimiser, phases, own=own, layer=node.name, seed=seed
        )  # fmt: skip

    def _pieces(self, task: Task) -> Pieces:
        parameters, name = task.network.parameters, task.node.name
        weights, bias = parameters[f"{name}/weights"], parameters[f"{name}/bias"]
        visible, hidden = weights.shape
        inputs = task.train.x.reshape(len(task.train), -1)
        return Pieces(
            visible_bias=base_rates(inputs).astype(weights.dtype),
            visible_lateral=np.zeros((visible, visible), weights.dtype) if self.lateral.visible else None,
            weights=weights if self.hidden else None,
            hidden_bias=bias if self.hidden else None,
            hidden_lateral=np.zeros((hidden, hidden), weights.dtype) if self.lateral.hidden and self.hidden else None,
        )


def _spec(name: str, array: Array, node: Node) -> ParameterSpec:
    """The layer's own, or a new one; biases do not decay."""
    if name in ("visible_bias", "hidden_bias"):
        multipliers = node.parameters["bias"].multipliers.model_copy(update={"decay_multiplier": 0.0})
        return replace(node.parameters["bias"], shape=array.shape, multipliers=multipliers)
    if name == "weights":
        return node.parameters["weights"]
    return ParameterSpec(array.shape, Constant(value=0.0), 1, 1, MultiplierOptions())
