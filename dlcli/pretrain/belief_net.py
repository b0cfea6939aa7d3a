"""A stack of RBMs as a deep belief net that is trained as a whole: options, and the arrays of its layers."""

from dataclasses import replace
from typing import ClassVar

import numpy as np

from dlcli.graph import Graph, Node
from dlcli.initialisers.zeros import Zeros
from dlcli.layers.base import Array, MultiplierOptions, ParameterSpec
from dlcli.layers.class_rbm import ClassRbm
from dlcli.options import Count
from dlcli.pretrain.base import Joint, Task, before
from dlcli.pretrain.boltzmann.rbm import Rbm
from dlcli.pretrain.boltzmann.up_down import Directed, Stack, UpDown
from dlcli.pretrain.units.binary import Binary
from dlcli.training.objective import Objective
from dlcli.training.stage import Models

NO_DECAY = MultiplierOptions(decay_multiplier=0.0)


class UpDownOptions(Joint):
    """After the greedy walk, the stack learns as a generative model, by the up-down algorithm (Hinton et al. 2006).

    The layers below the top get weights of their own for generation, `<layer>.generation/weights`, which are kept;
    the network's weights recognise, and a copy is kept, `<layer>.recognition/weights`. With a `class_rbm` at the top,
    labels are part of the model.
    """

    name: ClassVar[str] = "up_down"
    option: ClassVar[str] = "up_down"

    steps: Count = 3
    """k: Gibbs steps of the top for each update."""

    def check_nodes(self, nodes: tuple[Node, ...], graph: Graph) -> None:
        super().check_nodes(nodes, graph)
        if isinstance(nodes[-1].layer, ClassRbm) and before(nodes[0], graph) is not None:
            raise ValueError(f"{self.name}: {nodes[0].name} does not take the samples; expected layers from them up")

    def objective(self, task: Task) -> Objective:
        task.check_unit_interval()
        return UpDown(stack(task), task.network, task.optimiser, self.steps, seed=task.network.seed)


def stack(task: Task) -> Stack:
    """The belief net that greedy pretraining has left."""
    parameters, models = task.network.parameters, task.models
    arrays: dict[str, Array] = {}
    specs: dict[str, ParameterSpec] = {}
    directed = []
    for node in task.nodes[:-1]:
        recognition = (f"{node.name}/weights", f"{node.name}/bias")
        generation = (f"{node.name}.generation/weights", f"{node.name}.generation/bias")
        arrays |= {name: parameters[name] for name in recognition}
        arrays[generation[0]] = np.ascontiguousarray(parameters[recognition[0]].T)
        arrays[generation[1]] = visible_bias(node, models, len(parameters[recognition[0]]))
        specs |= {recognition[0]: node.parameters["weights"], recognition[1]: without_decay(node.parameters["bias"])}
        specs |= {name: ParameterSpec(arrays[name].shape, Zeros(), 1, 1) for name in generation[:1]}
        specs |= {name: ParameterSpec(arrays[name].shape, Zeros(), 1, 1, NO_DECAY) for name in generation[1:]}
        directed.append(Directed(node.name, recognition, generation))
    top, names = top_rbm(task.nodes[-1], task, models)
    own = dict(zip(names, (top.weights, top.hidden_bias, top.visible_bias), strict=True))
    node = task.nodes[-1]
    specs |= {
        names[0]: node.parameters["weights"],
        names[1]: without_decay(node.parameters["bias"]),
        names[2]: ParameterSpec(top.visible_bias.shape, Zeros(), 1, 1, NO_DECAY),
    }
    return Stack(arrays | own, specs, tuple(directed), top, names)


def top_rbm(node: Node, task: Task, models: Models) -> tuple[Rbm, tuple[str, str, str]]:
    """The RBM at the top, and the names of its weights, hidden bias and visible bias."""
    parameters = task.network.parameters
    weights = parameters[f"{node.name}/weights"]
    labels = node.layer.classes if isinstance(node.layer, ClassRbm) else 0
    name = visible_bias_name(node)
    bias = parameters[name] if labels else visible_bias(node, models, len(weights))
    names = (f"{node.name}/weights", f"{node.name}/bias", name)
    return Rbm(weights, bias, parameters[names[1]], Binary(), Binary(), labels), names


def visible_bias_name(node: Node) -> str:
    """The name, in a checkpoint, of the visible biases of the RBM that a layer was pretrained as."""
    return f"{node.name}/visible_bias" if isinstance(node.layer, ClassRbm) else f"{node.name}.rbm/visible_bias"


def visible_bias(node: Node, models: Models, size: int) -> Array:
    """A copy of what pretraining has kept, zeros where it has kept nothing."""
    kept = models.get(visible_bias_name(node))
    return np.zeros(size, np.float32) if kept is None else kept.copy()


def without_decay(spec: ParameterSpec) -> ParameterSpec:
    """The same, but that weight decay leaves it alone."""
    return replace(spec, multipliers=spec.multipliers.model_copy(update={"decay_multiplier": 0.0}))
