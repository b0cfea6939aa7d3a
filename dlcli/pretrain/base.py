"""The idea of a pretraining method."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Annotated, ClassVar

from pydantic import Field

from dlcli.data.pipeline import BatchSource
from dlcli.errors import MisfitError
from dlcli.graph import SAMPLES, Graph, Node
from dlcli.layers.base import Array
from dlcli.layers.dense import Dense
from dlcli.layers.masked import Masked
from dlcli.network import Network
from dlcli.optim.base import Optimiser
from dlcli.options import Also, Count, Family, Options
from dlcli.training.objective import Objective
from dlcli.training.stage import Models


@dataclass(frozen=True)
class Task:
    """The work of one stage.

    nodes: the layers to pretrain, from the input up: one at a time in the greedy walk, all of them in a joint stage.
    stack: all of them.
    network: whose parameters, those of the nodes, the stage changes in place.
    train: the training samples (N, …) float32 as the layers below pass them, and their targets, see `Method.source`.
    held_out: the same of the validation set, where there is one.
    optimiser: of this stage.
    classes: how many there are; 0 for a regression.
    models: what earlier stages have kept, by name (see `Objective.kept`).
    path: of the method in the config, for errors.
    """

    nodes: tuple[Node, ...]
    network: Network
    train: BatchSource
    held_out: BatchSource | None
    optimiser: Optimiser
    stack: tuple[Node, ...] = ()
    classes: int = 0
    models: Models = field(default_factory=dict)
    path: tuple[str | int, ...] = ("pretrain", "method")

    def check_unit_interval(self) -> None:
        """Raise MisfitError where inputs lie outside [0, 1], which binary units take for probabilities."""
        low, high = self.input_range
        if not (low >= 0 and high <= 1):
            found = f"the inputs of {self.nodes[0].name} go from {low:g} to {high:g}"
            raise MisfitError(self.path, f"{found}; binary units expect them from 0 to 1")

    @cached_property
    def input_range(self) -> tuple[float, float]:
        """The least and the greatest of the training samples' inputs."""
        return float(self.train.x.min()), float(self.train.x.max())

    @property
    def node(self) -> Node:
        """The layer of a greedy stage."""
        (node,) = self.nodes
        return node


class Joint(Options):
    """A stage after the greedy walk, in which all the pretrained layers learn together."""

    name: ClassVar[str]  # of the stage: ``pretrain/<last layer>.<name>``
    option: ClassVar[str]  # of the method, under which it stands

    epochs: Annotated[int, Field(ge=0)] = 10
    """Passes over the training set."""
    batch_size: Count | None = None
    """Samples in a mini-batch; by default that of `pretrain`."""
    optimiser: Annotated[Optimiser, Also("optimizer", "sgd")]
    """The optimiser of this stage; keys not given come from that of `pretrain`."""

    def check_nodes(self, nodes: tuple[Node, ...], graph: Graph) -> None:
        """Raise ValueError where these layers cannot learn together so: they must be neighbours, two at least."""
        if len(nodes) < 2:
            raise ValueError(f"{self.name}: found {len(nodes)} layer to pretrain, expected at least two")
        for below, above in pairwise(nodes):
            if before(above, graph) is not below:
                found = f"{self.name}: {above.name} does not follow {below.name}"
                raise ValueError(f"{found}; expected layers that are neighbours")

    @abstractmethod
    def objective(self, task: Task) -> Objective:
        """What the layers learn; ``task.train`` are the first one's inputs."""


def before(node: Node, graph: Graph) -> Node | None:
    """What a layer's input comes from, beyond what passes it on as it is once training is over: dropout, views."""
    (place,) = node.sources
    while place != SAMPLES and (graph.nodes[place].layer.is_view or isinstance(graph.nodes[place].layer, Masked)):
        (place,) = graph.nodes[place].sources
    return None if place == SAMPLES else graph.nodes[place]


class Method(Family):
    """How layers are pretrained."""

    package: ClassVar[str] = "dlcli.pretrain.methods"
    descends: ClassVar[bool] = False  # whether the optimiser must be one of gradient descent, without line searches

    def check(self, node: Node) -> None:
        """Raise ValueError where the method cannot pretrain this layer."""

    def takes(self, node: Node) -> bool:
        """Whether a layer of this kind is pretrained where no layers are named."""
        return isinstance(node.layer, Dense)

    def check_in(self, graph: Graph, node: Node) -> None:
        """Raise ValueError where what follows the layer in its network does not suit the method."""

    def learns_labels(self, node: Node) -> bool:
        """Whether the layer learns with the classes, so that it may be the output layer."""
        return False

    def source(self, nodes: tuple[Node, ...], network: Network, inputs: Array, labels: Array | None) -> BatchSource:
        """What a stage's mini-batches hold: the first node's inputs (N, …), and as targets the same, or labels."""
        return BatchSource(inputs, inputs)

    @abstractmethod
    def objective(self, task: Task) -> Objective:
        """What makes the node's parameters, which are the network's own arrays, represent its inputs.

        Raises
        ------
        MisfitError: the method cannot represent such inputs.
        """

    def joint(self) -> Joint | None:
        """The stage that follows the greedy walk, if there is one."""
        return None

    def passed(self, node: Node, network: Network, models: Models) -> dict[str, Array]:
        """The parameters with which a pretrained layer passes samples on to the next one, where not its own."""
        return {}

    def fills(self, nodes: Sequence[Node], graph: Graph) -> Sequence[Node]:
        """Layers beside these that get something by `hand_over`."""
        return ()

    def hand_over(self, nodes: Sequence[Node], network: Network, models: Models) -> None:
        """Give the network, as supervised training begins, what of the models it does not share."""
