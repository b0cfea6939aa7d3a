"""Deep Boltzmann machines: RBMs with doubled inputs, and then all layers together (Salakhutdinov and Hinton 2009)."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from dlcli.data.pipeline import BatchSource
from dlcli.graph import Graph, Node
from dlcli.initialisers.zeros import Zeros
from dlcli.layers.base import Array, ParameterSpec
from dlcli.layers.dense import Dense
from dlcli.layers.mean_field import MeanField
from dlcli.network import Network
from dlcli.options import Count
from dlcli.pretrain.base import Joint, Method, Task
from dlcli.pretrain.belief_net import without_decay
from dlcli.pretrain.boltzmann.dbm import Dbm, DeepBoltzmannMachine, MachineNames
from dlcli.pretrain.boltzmann.divergence import ContrastiveDivergence, Names
from dlcli.pretrain.boltzmann.monitor import monitored
from dlcli.pretrain.boltzmann.rbm import Factors, Rbm
from dlcli.pretrain.boltzmann.statistics import Chains
from dlcli.pretrain.units.binary import Binary
from dlcli.training.objective import Objective
from dlcli.training.stage import Models


class DbmJoint(Joint):
    """The stage in which the layers of a deep Boltzmann machine learn together."""

    name: ClassVar[str] = "dbm"
    option: ClassVar[str] = "joint_training"

    mean_field_steps: Annotated[int, Field(ge=0)] = 10
    """Rounds of mean field over the hidden layers for each mini-batch."""
    gibbs_steps: Count = 5
    """Gibbs steps of the chains for each update."""
    chains: Count = 100
    """Persistent chains that the model's statistics come from; they start at the first training samples."""

    def check_nodes(self, nodes: tuple[Node, ...], graph: Graph) -> None:
        super().check_nodes(nodes, graph)
        before = mean_field_before(nodes[0], graph)
        units = tuple(node.layer.units for node in nodes if isinstance(node.layer, Dense))
        if before is not None and isinstance(before.layer, MeanField) and before.layer.units != units:
            found = list(before.layer.units)
            raise ValueError(f"dbm: {before.name} has layers of {found} units, those to pretrain {list(units)}")

    def objective(self, task: Task) -> Objective:
        dbm, names = machine(task)
        specs = {name: without_decay(ParameterSpec((1,), Zeros(), 1, 1)) for name in names.biases}
        specs |= {name: node.parameters["weights"] for name, node in zip(names.weights, task.nodes, strict=True)}
        visible = len(dbm.biases[0])
        samples = task.train.x[: self.chains]
        first = np.resize(samples, (self.chains, visible))
        return DeepBoltzmannMachine(
            dbm,
            names,
            specs,
            task.optimiser,
            first,
            mean_field_steps=self.mean_field_steps,
            gibbs_steps=self.gibbs_steps,
            seed=task.network.seed,
        )


class DeepBoltzmannMachineMethod(Method):
    """The layers become the hidden layers of a deep Boltzmann machine, and start from it.

    First each learns as an RBM, by contrastive divergence; since it will have another layer on its other side, its
    total input from below is doubled, but for the last layer, and that from above, but for the first. Then all learn
    together (`joint`), the data's statistics by mean field, the model's from persistent chains. The layers must be
    neighbours, of sigmoid units; a `mean_field` layer before them gives the first one what it got from above in the
    machine.
    """

    descends: ClassVar[bool] = True

    type: Literal["dbm"] = "dbm"
    steps: Count = 1
    """k: Gibbs steps for each update of the RBMs."""
    sample_visible: bool = True
    """Whether Gibbs steps of the RBMs draw the visible units' states; otherwise their means stand for them."""
    joint_training: DbmJoint
    """The stage in which all layers learn together."""

    def check(self, node: Node) -> None:
        if not isinstance(node.layer, Dense) or node.layer.activation != "sigmoid" or not node.layer.bias:
            raise ValueError(f"layer {node.name} is no dense layer of sigmoid units with biases; expected that")

    def joint(self) -> Joint | None:
        return self.joint_training

    def source(self, nodes: tuple[Node, ...], network: Network, inputs: Array, labels: Array | None) -> BatchSource:
        rows = inputs.reshape(len(inputs), -1)
        return BatchSource(np.ascontiguousarray(rows[:, : visible_units(nodes[0], network)]))

    def objective(self, task: Task) -> Objective:
        (node,), network = task.nodes, task.network
        task.check_unit_interval()
        place = task.stack.index(node)
        names = DbmNames(node.name)
        size = visible_units(node, network)
        weights = network.parameters[f"{node.name}/weights"][:size].copy()
        rbm = Rbm(
            weights=weights,
            visible_bias=np.zeros(size, weights.dtype),
            hidden_bias=network.parameters[f"{node.name}/bias"].copy(),
            visible=Binary(),
            hidden=Binary(),
            factors=Factors(
                up=1.0 if place == len(task.stack) - 1 else 2.0,
                down=1.0 if place == 0 else 2.0,
            ),
        )
        bias = without_decay(node.parameters["bias"])
        specs = {
            names.weights: node.parameters["weights"],
            names.hidden_bias: bias,
            names.visible_bias: bias,
        }
        return ContrastiveDivergence(
            rbm,
            names,
            specs,
            task.optimiser,
            Chains(self.steps, 0, self.sample_visible),
            seed=network.seed,
            monitor=monitored(rbm, task.train.x, network.seed),
        )

    def passed(self, node: Node, network: Network, models: Models) -> dict[str, Array]:
        """The next RBM's data: the means of this one's hidden units, whose input from below is doubled."""
        names = DbmNames(node.name)
        weights = np.zeros_like(network.parameters[f"{node.name}/weights"])
        weights[: len(models[names.weights])] = 2 * models[names.weights]
        return {f"{node.name}/weights": weights, f"{node.name}/bias": models[names.hidden_bias]}

    def fills(self, nodes: Sequence[Node], graph: Graph) -> Sequence[Node]:
        before = mean_field_before(nodes[0], graph)
        return () if before is None else (before,)

    def hand_over(self, nodes: Sequence[Node], network: Network, models: Models) -> None:
        """The layers start with the machine's weights, the first one with those from above too; q is the machine's."""
        names = [DbmNames(node.name) for node in nodes]
        if not all(own.weights in models for own in names):
            return
        for node, own in zip(nodes, names, strict=True):
            size = len(models[own.weights])
            network.parameters[f"{node.name}/weights"][:size] = models[own.weights]
            network.parameters[f"{node.name}/bias"][...] = models[own.hidden_bias]
        before = mean_field_before(nodes[0], network.graph)
        if before is None:
            return
        size = len(models[names[0].weights])
        network.parameters[f"{nodes[0].name}/weights"][size:] = models[names[1].weights].T
        for place, own in enumerate(names, 1):
            network.state[f"{before.name}/weights_{place}"][...] = models[own.weights]
            network.state[f"{before.name}/bias_{place}"][...] = models[own.hidden_bias]


@dataclass(frozen=True)
class DbmNames(Names):
    """The names of a layer's arrays in the machine: none is the network's."""

    @property
    def prefix(self) -> str:
        return f"{self.node}.dbm"

    @property
    def weights(self) -> str:
        return f"{self.prefix}/weights"

    @property
    def hidden_bias(self) -> str:
        return f"{self.prefix}/bias"


def mean_field_before(node: Node, graph: Graph) -> Node | None:
    """The `mean_field` layer whose output a layer takes, if it does."""
    (source,) = node.sources
    before = graph.nodes[source] if source >= 0 else None
    return before if before is not None and isinstance(before.layer, MeanField) else None


def visible_units(node: Node, network: Network) -> int:
    """How many of a layer's inputs are visible units of its RBM: all, or those that are no posterior means."""
    size = prod(node.inputs[0])
    before = mean_field_before(node, network.graph)
    return size if before is None else prod(before.inputs[0])


def machine(task: Task) -> tuple[Dbm, MachineNames]:
    """The deep machine that the RBMs make up; a hidden layer takes the mean of its biases in two of them."""
    names = [DbmNames(node.name) for node in task.nodes]
    models = {name: array.copy() for name, array in task.models.items()}
    biases = [models[names[0].visible_bias]]
    for own, above in zip(names, [*names[1:], None], strict=True):
        bias = models[own.hidden_bias]
        biases.append(bias if above is None else (bias + models[above.visible_bias]) / bias.dtype.type(2))
    weights = tuple(models[own.weights] for own in names)
    called = MachineNames(
        weights=tuple(own.weights for own in names),
        biases=(names[0].visible_bias, *(own.hidden_bias for own in names)),
        last=names[-1].node,
    )
    return Dbm(weights, tuple(biases)), called
