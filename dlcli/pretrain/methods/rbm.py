"""Restricted Boltzmann machines: a layer and its input as the two sides of one (Hinton 2002; survey, section 3.3)."""

from typing import Literal, Self

import numpy as np
from pydantic import model_validator

from dlcli.data.pipeline import BatchSource
from dlcli.errors import MisfitError
from dlcli.graph import Node
from dlcli.initialisers.zeros import Zeros
from dlcli.layers.base import Array, ParameterSpec
from dlcli.layers.class_rbm import ClassRbm
from dlcli.layers.dense import Dense
from dlcli.network import Network
from dlcli.options import Annotated, Count, Field, NonNegative, Options
from dlcli.pretrain.base import Joint, Method, Task
from dlcli.pretrain.belief_net import NO_DECAY, UpDownOptions, top_rbm, without_decay
from dlcli.pretrain.boltzmann.divergence import ContrastiveDivergence, Names
from dlcli.pretrain.boltzmann.monitor import monitored
from dlcli.pretrain.boltzmann.rbm import ONCE, Factors, Rbm
from dlcli.pretrain.boltzmann.statistics import Chains, Sparsity
from dlcli.pretrain.units.base import Units
from dlcli.pretrain.units.binary import Binary
from dlcli.pretrain.units.gaussian import Gaussian
from dlcli.pretrain.units.relu import Relu
from dlcli.training.objective import Objective

HIDDEN = {"sigmoid": Binary(), "relu": Relu(), "linear": Gaussian()}  # units for an activation function


class ActivityOptions(Options):
    """Sparsity of the hidden units: each one's activity, averaged over time, is drawn to a target."""

    target: Annotated[float, Field(gt=0, lt=1)] = 0.05
    """Activity that every unit is drawn to."""
    weight: NonNegative = 0.1
    """How strongly: the factor on the difference, which is added to the gradient by the unit's total input."""
    decay: Annotated[float, Field(ge=0, lt=1)] = 0.95
    """Share of the average that an update keeps."""


class RestrictedBoltzmannMachine(Method):
    """Layer and input become the hidden and visible units of a restricted Boltzmann machine.

    The layer's weights and bias are the machine's weights and hidden bias; visible biases are kept beside them.
    `weight_decay` acts on the weights alone, and a schedule in the place of `momentum` makes the usual ramp:
    `momentum: {type: step, initial: 0.5, …}`. The loss that is logged is the squared error of the reconstruction,
    ½ Σ (v − v')²; with persistent chains, or several steps, of a tenth of each mini-batch.
    """

    type: Literal["rbm"] = "rbm"
    steps: Count = 1
    """k: Gibbs steps for each update."""
    chains: Annotated[int, Field(ge=0)] = 0
    """Persistent chains that the model's statistics come from (PCD); 0: chains start at the data each time (CD)."""
    sample_visible: bool = True
    """Whether Gibbs steps draw the visible units' states; otherwise their means stand for them, which is less noisy
    (Hinton 2010, section 3.2)."""
    visible: Units | None = None
    """Kind of the visible units; by default binary where all of the layer's inputs lie in [0, 1], else gaussian."""
    hidden: Units | None = None
    """Kind of the hidden units; by default as the activation: sigmoid binary, relu relu, linear gaussian."""
    sparsity: ActivityOptions | None = None
    """Sparse activity of the hidden units."""
    up_down: UpDownOptions | None = None
    """A stage after the greedy walk in which the whole stack learns as a generative model."""

    @model_validator(mode="after")
    def _hidden_variance_is_one(self) -> Self:
        if isinstance(self.hidden, Gaussian) and self.hidden.learn_variance:
            raise ValueError("found hidden units that learn their variance; expected learn_variance for visible ones")
        return self

    def check(self, node: Node) -> None:
        if isinstance(node.layer, ClassRbm):
            return
        if not isinstance(node.layer, Dense):
            kind = getattr(node.layer, "type", "")
            raise ValueError(f"layer {node.name} ({kind}) has no hidden units; expected a dense layer")
        if not node.layer.bias:
            raise ValueError(f"layer {node.name} has no bias; expected one: it is the machine's hidden bias")
        activation = node.layer.activation
        if self.hidden is None and activation not in HIDDEN:
            raise ValueError(f"{node.name} is {activation}; expected sigmoid, relu or linear, or `hidden` to say")
        (self.hidden or HIDDEN[activation]).check(node.layer.units)

    def learns_labels(self, node: Node) -> bool:
        return isinstance(node.layer, ClassRbm)

    def source(self, nodes: tuple[Node, ...], network: Network, inputs: Array, labels: Array | None) -> BatchSource:
        return BatchSource(inputs, labels if self.learns_labels(nodes[-1]) else None)

    def joint(self) -> Joint | None:
        return self.up_down

    def objective(self, task: Task) -> Objective:
        return self.machine(task, ONCE)

    def machine(self, task: Task, factors: Factors) -> ContrastiveDivergence:
        """The objective of a machine whose total inputs are multiplied by ``factors``."""
        node, names = task.node, Names(task.node.name, owned=self.learns_labels(task.node))
        rbm = self._rbm(task, factors)
        own = ParameterSpec(rbm.visible_bias.shape, Zeros(), 1, 1, NO_DECAY)
        specs = {
            names.weights: node.parameters["weights"],
            names.hidden_bias: without_decay(node.parameters["bias"]),
            names.visible_bias: own,
            names.log_variance: own,
        }
        return ContrastiveDivergence(
            rbm,
            names,
            specs,
            task.descent(),
            Chains(self.steps, self.chains, self.sample_visible),
            seed=task.network.seed,
            sparsity=Sparsity(**self.sparsity.model_dump()) if self.sparsity else None,
            monitor=monitored(rbm, task.train.x, task.network.seed),
        )

    def _rbm(self, task: Task, factors: Factors) -> Rbm:
        node = task.node
        if isinstance(node.layer, ClassRbm):
            return top_rbm(node, task, {})[0]
        weights = task.network.parameters[f"{node.name}/weights"]
        visible = self._visible(task.train.x)
        try:
            visible.check(len(weights))
        except ValueError as error:
            raise MisfitError(("pretrain", "method", "visible"), str(error)) from error
        learns = isinstance(visible, Gaussian) and visible.learn_variance
        return Rbm(
            weights=weights,
            visible_bias=np.zeros(len(weights), weights.dtype),
            hidden_bias=task.network.parameters[f"{node.name}/bias"],
            visible=visible,
            hidden=self.hidden or HIDDEN[getattr(node.layer, "activation", "sigmoid")],
            log_variance=np.zeros(len(weights), weights.dtype) if learns else None,
            factors=factors,
        )

    def _visible(self, inputs: Array) -> Units:
        if self.visible is not None:
            return self.visible
        return Binary() if inputs.min() >= 0 and inputs.max() <= 1 else Gaussian()
