"""Restricted Boltzmann machines: a layer and its input as the two sides of one (Hinton 2002; survey, section 3.3)."""

from collections.abc import Sequence
from math import prod
from typing import ClassVar, Literal, Self

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
from dlcli.pretrain.boltzmann.rbm import Rbm
from dlcli.pretrain.boltzmann.statistics import Chains, Sparsity
from dlcli.pretrain.units.base import Units
from dlcli.pretrain.units.binary import Binary
from dlcli.pretrain.units.gaussian import Gaussian
from dlcli.pretrain.units.relu import Relu
from dlcli.training.objective import Objective
from dlcli.training.stage import Models

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

    descends: ClassVar[bool] = True

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
        if self.sparsity is not None and not self.sparsity.weight:
            raise ValueError("found sparsity without effect; expected its weight to be above 0")
        return self

    def check(self, node: Node) -> None:
        if not isinstance(node.layer, Dense | ClassRbm):
            kind = getattr(node.layer, "type", "")
            raise ValueError(f"layer {node.name} ({kind}) has no hidden units; expected a dense layer")
        if "bias" not in node.parameters:
            raise ValueError(f"layer {node.name} has no bias; expected one: it is the machine's hidden bias")
        activation = getattr(node.layer, "activation", "sigmoid")
        if self.hidden is None and activation not in HIDDEN:
            raise ValueError(f"{node.name} is {activation}; expected sigmoid, relu or linear, or `hidden` to say")
        hidden = self.hidden or HIDDEN[activation]
        hidden.check(node.layer.units)
        if self.visible is not None:
            self.visible.check(prod(node.inputs[0]))
        binary = all(isinstance(units, Binary) for units in (hidden, self.visible or Binary()))
        binary = binary and activation == "sigmoid"
        if not binary and (self.up_down is not None or isinstance(node.layer, ClassRbm)):
            model = "up_down" if self.up_down is not None else f"layer {node.name} (class_rbm)"
            raise ValueError(f"{model} has binary units alone; found others in {node.name}")

    def learns_labels(self, node: Node) -> bool:
        return isinstance(node.layer, ClassRbm)

    def source(self, nodes: tuple[Node, ...], network: Network, inputs: Array, labels: Array | None) -> BatchSource:
        return BatchSource(inputs, labels if self.learns_labels(nodes[-1]) else None)

    def joint(self) -> Joint | None:
        return self.up_down

    def passed(self, node: Node, network: Network, models: Models) -> dict[str, Array]:
        """Hidden means take v_i / σ_i² where variances were learned; the layer takes v, and their inverse in W."""
        log_variance, weights = (models.get(f"{node.name}.rbm/{name}") for name in ("log_variance", "weights"))
        if log_variance is None or weights is None:
            return {}
        return {f"{node.name}/weights": np.ascontiguousarray(weights * np.exp(-log_variance)[:, None])}

    def hand_over(self, nodes: Sequence[Node], network: Network, models: Models) -> None:
        for node in nodes:
            for name, array in self.passed(node, network, models).items():
                network.parameters[name][...] = array

    def objective(self, task: Task) -> Objective:
        node, names = task.node, Names(task.node.name, owned=self.learns_labels(task.node))
        rbm = self._class_rbm(task) if self.learns_labels(node) else self._rbm(task)
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
            task.optimiser,
            Chains(self.steps, self.chains, self.sample_visible),
            seed=task.network.seed,
            sparsity=Sparsity(**self.sparsity.model_dump()) if self.sparsity else None,
            monitor=monitored(rbm, task.train.x, task.network.seed),
        )

    def _class_rbm(self, task: Task) -> Rbm:
        task.check_unit_interval()
        rbm = top_rbm(task.node, task, {})[0]
        if rbm.labels != task.classes:
            found = f"{task.node.name} has {rbm.labels} classes"
            raise MisfitError(task.path, f"{found}, expected the {task.classes} of the data")
        return rbm

    def _rbm(self, task: Task) -> Rbm:
        weights = task.network.parameters[f"{task.node.name}/weights"]
        visible = self._visible(task)
        learns = isinstance(visible, Gaussian) and visible.learn_variance
        return Rbm(
            weights=weights,
            visible_bias=np.zeros(len(weights), weights.dtype),
            hidden_bias=task.network.parameters[f"{task.node.name}/bias"],
            visible=visible,
            hidden=self.hidden or HIDDEN[getattr(task.node.layer, "activation", "sigmoid")],
            log_variance=np.zeros(len(weights), weights.dtype) if learns else None,
        )

    def _visible(self, task: Task) -> Units:
        if isinstance(self.visible, Binary) or self.up_down is not None:
            task.check_unit_interval()
        if self.visible is not None:
            return self.visible
        low, high = task.input_range
        return Binary() if low >= 0 and high <= 1 else Gaussian()
