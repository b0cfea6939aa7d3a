"""A deep Boltzmann machine that generates, and reconstructs (Salakhutdinov and Hinton 2009)."""

from collections.abc import Iterator
from itertools import count as count_from

import numpy as np

from dlcli import random
from dlcli.errors import CheckpointError, UsageError
from dlcli.graph import Node
from dlcli.kernels import dense
from dlcli.kernels.activation import SIGMOID
from dlcli.kernels.mean_field import mean_field
from dlcli.layers.base import Array, Shape
from dlcli.models.features import chosen_layer
from dlcli.models.generative import Generative
from dlcli.pretrain.boltzmann.dbm import Dbm, Gibbs
from dlcli.pretrain.methods.dbm import DbmNames
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

    def chains(self, count: int, seed: int, label: int | None = None) -> Iterator[Array]:
        rng = random.generator(seed, "sample", "start")
        states = [np.zeros((count, len(bias)), bias.dtype) for bias in self._dbm.biases]
        states[0][:] = rng.integers(0, 2, states[0].shape)  # hidden units follow: a first step up from random pixels
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
    UsageError: a layer is named that is not its uppermost.
    CheckpointError: arrays are missing, or do not fit each other.
    """
    nodes = dbm_nodes(trained)
    if not nodes or trained.experiment.pretrain is None:
        return None
    if layer is not None and chosen_layer(trained, layer) is not nodes[-1]:
        raise UsageError(f"found layer {layer}, expected {nodes[-1].name}: a deep Boltzmann machine is one whole")
    shape, method = trained.network.graph.input_shape, trained.experiment.pretrain.method.joint()
    return DeepBoltzmannMachine(dbm_of(trained, nodes), shape, getattr(method, "mean_field_steps", 0))


def dbm_nodes(trained: Trained) -> list[Node]:
    """The hidden layers of the machine that pretraining has left, the lowest first; none where there is none."""
    return [node for node in trained.network.graph.nodes if DbmNames(node.name).weights in trained.models]


def dbm_of(trained: Trained, nodes: list[Node]) -> Dbm:
    """The machine of these layers; raises `CheckpointError` where arrays are missing, or do not fit each other."""
    models, names = trained.models, [DbmNames(node.name) for node in nodes]
    try:
        weights = tuple(models[own.weights] for own in names)
        biases = (models[names[0].visible_bias], *(models[own.hidden_bias] for own in names))
    except KeyError as error:
        raise CheckpointError(f"{trained.path}: found no {error} of its deep Boltzmann machine") from error
    sizes = [len(bias) for bias in biases]
    for place, array in enumerate(weights):
        if array.shape != (sizes[place], sizes[place + 1]):
            raise CheckpointError(f"{trained.path}: the layers of its deep Boltzmann machine do not fit each other")
    return Dbm(weights, biases)
