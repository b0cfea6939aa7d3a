"""A general Boltzmann machine that generates (Ackley, Hinton and Sejnowski 1985)."""

from collections.abc import Iterator

import numpy as np

from dlcli import random
from dlcli.errors import CheckpointError, UsageError
from dlcli.graph import Node
from dlcli.kernels import activation as activations
from dlcli.kernels import gibbs
from dlcli.layers.base import Array, Shape
from dlcli.models.features import check_sees_samples, chosen_layer
from dlcli.models.generative import Generative
from dlcli.models.kept import kept, kept_if_there, sides
from dlcli.pretrain.boltzmann.clamped import Clamped
from dlcli.pretrain.boltzmann.machine import Machine, visible_inputs
from dlcli.pretrain.boltzmann.machine_learning import Pieces
from dlcli.trained import Trained

STEPS, DAMPING = 50, 0.5  # of mean field, in a reconstruction: the means no longer change visibly


class GeneralBoltzmannMachine(Generative):
    """A machine whose Gibbs steps are sweeps over all units, one after the other.

    The means that it gives are each visible unit's, given all other units.
    """

    def __init__(self, machine: Machine, shape: Shape) -> None:
        self._machine, self.shape = machine, shape

    def chains(
        self, count: int, seed: int, label: int | Array | None = None, start: Array | None = None
    ) -> Iterator[Array]:
        machine, time = self._machine, np.zeros(1, np.int64)
        rng = random.generator(seed, "sample", "start")
        states = rng.integers(0, 2, (count, len(machine.bias))).astype(machine.bias.dtype)
        if start is not None:
            states[:, : machine.visible] = rng.random((count, machine.visible)) < start.reshape(count, -1)
        sweep = gibbs.sweeps.plan(random.key(seed, "sample"), time, machine.couplings, machine.bias, 1, states)
        while True:
            time += 1
            for launch in sweep:
                launch.run()
            means = visible_inputs(machine, states)
            activations.forward(activations.SIGMOID, means, means)
            yield means.reshape(count, *self.shape)

    def reconstruct(self, x: Array) -> Array:
        """The visible units' means given the hidden ones' means given x; x and they are (n, *shape).

        Either side's means are by mean field: lateral couplings make its units depend on each other.

        Raises
        ------
        UsageError: there are no hidden units.
        """
        machine = self._machine
        if not machine.hidden:
            raise UsageError("found a machine without hidden units; expected some, to reconstruct by")
        up = Clamped(machine, len(x), STEPS, DAMPING)
        up.hold(x)
        up.mean_field()
        down = Clamped(_turned(machine), len(x), STEPS, DAMPING)
        down.hold(up.s[:, machine.visible :])
        down.mean_field()
        return down.s[:, machine.hidden :].reshape(x.shape)


def _turned(machine: Machine) -> Machine:
    """The same machine with its hidden units in the place of the visible ones, and these in theirs."""
    places = np.roll(np.arange(len(machine.bias)), machine.hidden)
    couplings = np.ascontiguousarray(machine.couplings[np.ix_(places, places)])
    return Machine(couplings, machine.bias[places], machine.hidden)


def general_boltzmann_machine(trained: Trained, layer: str | None) -> GeneralBoltzmannMachine | None:
    """The machine of the first layer that was pretrained as one, or None.

    Raises
    ------
    UsageError: it is the machine of another layer's outputs: there is no way down from it.
    CheckpointError: its arrays do not fit the layer.
    """
    nodes = machine_nodes(trained)
    if layer is not None:
        nodes = [node for node in nodes if node is chosen_layer(trained, layer)]
    if not nodes:
        return None
    check_sees_samples(trained, nodes[0])
    return GeneralBoltzmannMachine(machine_of(trained, nodes[0]), trained.network.graph.input_shape)


def machine_nodes(trained: Trained) -> list[Node]:
    """The layers that were pretrained as general Boltzmann machines."""
    return [node for node in trained.network.graph.nodes if f"{node.name}.machine/visible_bias" in trained.models]


def machine_of(trained: Trained, node: Node) -> Machine:
    """The machine of a layer that was pretrained as one; raises `CheckpointError` where its arrays do not fit it."""
    own, (visible, hidden) = f"{node.name}.machine", sides(trained, node)
    pieces = Pieces(
        visible_bias=kept(trained, f"{own}/visible_bias", (visible,)),
        visible_lateral=kept_if_there(trained, f"{own}/visible_lateral", (visible, visible)),
        weights=kept_if_there(trained, f"{own}/weights", (visible, hidden)),
        hidden_bias=kept_if_there(trained, f"{own}/hidden_bias", (hidden,)),
        hidden_lateral=kept_if_there(trained, f"{own}/hidden_lateral", (hidden, hidden)),
    )
    try:
        return pieces.join()
    except ValueError as error:  # some pieces of the hidden side are there, others are not
        raise CheckpointError(f"{trained.path}: the machine of {node.name} does not fit together: {error}") from error
