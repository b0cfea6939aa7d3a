"""A deep Boltzmann machine that generates, and reconstructs (Salakhutdinov and Hinton 2009)."""

from collections.abc import Iterator
from itertools import count as count_from
from itertools import pairwise

import numpy as np

from dlcli import random
from dlcli.errors import UsageError
from dlcli.graph import Node
from dlcli.kernels import dense
from dlcli.kernels.activation import SIGMOID
from dlcli.kernels.mean_field import mean_field
from dlcli.layers.base import Array, Shape
from dlcli.models.features import check_sees_samples
from dlcli.models.generative import Generative
from dlcli.models.kept import kept, sides
from dlcli.pretrain.boltzmann.dbm import Dbm, Gibbs
from dlcli.pretrain.methods.dbm import DbmNames, visible_units
from dlcli.trained import Trained


class DeepBoltzmannMachine(Generative):
    """A machine with the Gibbs steps that it was trained with: odd layers, then even ones.

    Parameters
    ----------
    dbm: its parameters.
    shape: of a sample.
    steps: rounds of mean field with which it infers its hidden layers.
    """

    def __init__(self, dbm: Dbm, shape: Shape, steps: int) -> None:
        self._dbm, self.shape, self._steps = dbm, shape, steps

    def chains(
        self, count: int, seed: int, label: int | Array | None = None, start: Array | None = None
    ) -> Iterator[Array]:
        rng = random.generator(seed, "sample", "start")
        states = [np.zeros((count, len(bias)), bias.dtype) for bias in self._dbm.biases]
        pixels = rng.integers(0, 2, states[0].shape) if start is None else start.reshape(states[0].shape)
        states[0][:] = pixels  # hidden units follow: a first step up from the pixels
        gibbs = Gibbs(self._dbm, states, seed, "sample")
        for step in count_from(1):
            gibbs.run(step)
            yield gibbs.visible_means.reshape(count, *self.shape).copy()

    def reconstruct(self, x: Array) -> Array:
        """The visible units' means given the first hidden layer's posterior means; x and they are (n, *shape)."""
        layers = [np.zeros((len(x), len(bias)), bias.dtype) for bias in self._dbm.biases]
        layers[0][:] = x.reshape(layers[0].shape)
        mean_field(layers[0], self._dbm.weights, self._dbm.biases[1:], layers[1:], self._steps)
        back = np.empty_like(layers[0])
        dense.forward_transposed(layers[1], self._dbm.weights[0], self._dbm.biases[0], SIGMOID, back)
        return back.reshape(x.shape)


def deep_boltzmann_machine(trained: Trained, layer: str | None) -> DeepBoltzmannMachine | None:
    """The machine that pretraining has left; None where there is none.

    Raises
    ------
    UsageError: a layer is named that is not its uppermost, or it is the machine of another layer's outputs.
    CheckpointError: its arrays do not fit its layers.
    """
    nodes = dbm_nodes(trained)
    if not nodes or trained.experiment.pretrain is None:
        return None
    check_uppermost(nodes, layer)
    check_sees_samples(trained, nodes[0])
    shape, method = trained.network.graph.input_shape, trained.experiment.pretrain.method.joint()
    return DeepBoltzmannMachine(dbm_of(trained, nodes), shape, getattr(method, "mean_field_steps", 0))


def check_uppermost(nodes: list[Node], layer: str | None) -> None:
    """Raise UsageError where a layer is named that is not a deep machine's uppermost."""
    if layer not in (None, nodes[-1].name):
        raise UsageError(f"found layer {layer}, expected {nodes[-1].name}: a deep Boltzmann machine is one whole")


def dbm_nodes(trained: Trained) -> list[Node]:
    """The hidden layers of the machine that pretraining has left, the lowest first; none where there is none."""
    return [node for node in trained.network.graph.nodes if DbmNames(node.name).weights in trained.models]


def dbm_of(trained: Trained, nodes: list[Node]) -> Dbm:
    """The machine of these layers; raises `CheckpointError` where arrays are missing, or do not fit the layers."""
    names = [DbmNames(node.name) for node in nodes]
    sizes = [visible_units(nodes[0], trained.network), *(sides(trained, node)[1] for node in nodes)]
    biases = (names[0].visible_bias, *(own.hidden_bias for own in names))
    return Dbm(
        tuple(kept(trained, own.weights, shape) for own, shape in zip(names, pairwise(sizes), strict=True)),
        tuple(kept(trained, name, (size,)) for name, size in zip(biases, sizes, strict=True)),
    )
