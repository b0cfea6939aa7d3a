"""A general Boltzmann machine that generates (Ackley, Hinton and Sejnowski 1985)."""

from collections.abc import Iterator

import numpy as np

from dlcli import random
from dlcli.errors import CheckpointError, UsageError
from dlcli.graph import Node
from dlcli.kernels import activation as activations
from dlcli.kernels import gibbs
from dlcli.layers.base import Array, Shape
from dlcli.models.features import chosen_layer
from dlcli.models.generative import Generative
from dlcli.pretrain.boltzmann.machine import Machine, visible_inputs
from dlcli.pretrain.boltzmann.machine_learning import Pieces
from dlcli.trained import Trained


class GeneralBoltzmannMachine(Generative):
    """A machine whose Gibbs steps are sweeps over all units, one after the other.

    The means that it gives are each visible unit's, given all other units.
    """

    def __init__(self, machine: Machine, shape: Shape) -> None:
        self._machine, self.shape = machine, shape

    def chains(self, count: int, seed: int, label: int | None = None) -> Iterator[Array]:
        machine, time = self._machine, np.zeros(1, np.int64)
        start = random.generator(seed, "sample", "start").integers(0, 2, (count, len(machine.bias)))
        states = start.astype(machine.bias.dtype)
        sweep = gibbs.sweeps.plan(random.key(seed, "sample"), time, machine.couplings, machine.bias, 1, states)
        while True:
            time += 1
            for launch in sweep:
                launch.run()
            means = visible_inputs(machine, states)
            activations.forward(activations.SIGMOID, means, means)
            yield means.reshape(count, *self.shape)


def general_boltzmann_machine(trained: Trained, layer: str | None) -> GeneralBoltzmannMachine | None:
    """The machine of the first layer that was pretrained as one, or None.

    Raises
    ------
    UsageError: it is the machine of another layer's outputs: there is no way down from it.
    CheckpointError: its arrays do not fit each other.
    """
    graph = trained.network.graph
    nodes = machine_nodes(trained)
    if layer is not None:
        nodes = [node for node in nodes if node is chosen_layer(trained, layer)]
    if not nodes:
        return None
    machine = machine_of(trained, nodes[0])
    if machine.visible != np.prod(graph.input_shape):
        raise UsageError(f"{nodes[0].name} is no machine of the samples: there is no way down from it")
    return GeneralBoltzmannMachine(machine, graph.input_shape)


def machine_nodes(trained: Trained) -> list[Node]:
    """The layers that were pretrained as general Boltzmann machines."""
    return [node for node in trained.network.graph.nodes if f"{node.name}.machine/visible_bias" in trained.models]


def machine_of(trained: Trained, node: Node) -> Machine:
    """The machine of a layer that was pretrained as one; raises `CheckpointError` where its arrays do not fit."""
    names = ("visible_lateral", "weights", "hidden_bias", "hidden_lateral")
    found = {name: trained.models.get(f"{node.name}.machine/{name}") for name in names}
    pieces = Pieces(visible_bias=trained.models[f"{node.name}.machine/visible_bias"], **found)
    try:
        return pieces.join()
    except ValueError as error:
        raise CheckpointError(f"{trained.path}: the machine of {node.name} does not fit together: {error}") from error
