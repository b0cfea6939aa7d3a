"""RBMs that generate: one, or a stack of them, which is a deep belief network.

G. Hinton, S. Osindero, Y. Teh, "A fast learning algorithm for deep belief nets" (2006), section 7: a pass up from
random pixels, Gibbs steps in the uppermost RBM, then one pass down, by the lower layers' weights, transposed, or by
those that the up-down algorithm has given them for generation.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from dlcli import random
from dlcli.errors import UsageError
from dlcli.layers.base import Array, Shape
from dlcli.layers.class_rbm import ClassRbm
from dlcli.models.features import chosen_layer, passes
from dlcli.models.generative import Generative
from dlcli.models.restricted import directed_of, rbm_nodes, rbm_of, recognition_of
from dlcli.pretrain.boltzmann.rbm import Rbm
from dlcli.pretrain.units.gaussian import Gaussian
from dlcli.trained import Trained


class BeliefNetwork(Generative):
    """A stack of RBMs.

    Parameters
    ----------
    machines: from the input up; each one's hidden units are the visible ones of the next, before its labels.
    shape: of a sample.
    recognition: machines that stand for all but the uppermost on the first pass up; by default they themselves.
    """

    def __init__(self, machines: Sequence[Rbm], shape: Shape, recognition: Sequence[Rbm] | None = None) -> None:
        self._machines, self.shape = tuple(machines), shape
        self._recognition = tuple(machines[:-1] if recognition is None else recognition)
        self.labels = machines[-1].labels

    def chains(
        self, count: int, seed: int, label: int | Array | None = None, start: Array | None = None
    ) -> Iterator[Array]:
        top = self._machines[-1]
        visible, hidden = top.weights.shape
        size, dtype, time = visible - top.labels, top.weights.dtype, np.zeros(1, np.int64)
        means, v = np.zeros((count, visible), dtype), np.zeros((count, visible), dtype)
        probabilities, h = np.zeros((count, hidden), dtype), np.zeros((count, hidden), dtype)
        down = top.down(random.key(seed, "sample", "visible"), time, h, means, v)
        up = top.up(random.key(seed, "sample", "hidden"), time, v, probabilities, h)
        below = _Descent(self._machines[:-1], seed, time, count)
        v[:, :size] = self._ascend(self._random(count, seed) if start is None else start, seed, time)
        while True:
            if label is not None:
                v[:, size:] = 0
                v[np.arange(count), size + np.resize(label, count)] = 1
            up.run()
            time += 1
            down.run()
            yield below.run(means[:, :size], v[:, :size]).reshape(count, *self.shape).copy()

    def _random(self, count: int, seed: int) -> Array:
        """Random pixels (count, inputs)."""
        first, rng = (*self._recognition, self._machines[-1])[0], random.generator(seed, "sample", "start")
        size = count, len(first.weights) - first.labels
        pixels: Array = rng.normal(size=size) if isinstance(first.visible, Gaussian) else rng.integers(0, 2, size)
        return pixels

    def _ascend(self, pixels: Array, seed: int, time: Array) -> Array:
        """States of the uppermost machine's visible units, but for labels: a pass up from samples (count, …)."""
        states = pixels.reshape(len(pixels), -1).astype(self._machines[0].weights.dtype)
        for place, machine in enumerate(self._recognition):
            means, given = np.zeros((len(states), machine.weights.shape[1]), states.dtype), states
            states = np.zeros_like(means)
            machine.up(random.key(seed, "sample", "ascent", place), time, given, means, states).run()
        return states


class _Descent:
    """From states of the uppermost machine's visible units down to the means of the input."""

    def __init__(self, machines: Sequence[Rbm], seed: int, time: Array, count: int) -> None:
        self._passes = []
        self._given = np.zeros((count, machines[-1].weights.shape[1] if machines else 0), np.float32)
        given = self._given
        for place, machine in reversed(list(enumerate(machines))):
            mean = np.zeros((count, len(machine.weights)), machine.weights.dtype)
            states = np.zeros_like(mean) if place else None
            key = random.key(seed, "sample", "descent", place)
            self._passes.append(machine.down(key, time, given, mean, states))
            given = mean if states is None else states
        self._means = given

    def run(self, means: Array, states: Array) -> Array:
        """The means (count, inputs), given those of the uppermost machine's visible units, and their states."""
        if not self._passes:
            return means
        self._given[:] = states
        for each in self._passes:
            each.run()
        return self._means


def belief_network(trained: Trained, layer: str | None) -> BeliefNetwork | None:
    """The RBMs up to a layer; None where it, or any if none is named, was not pretrained as one.

    Raises
    ------
    UsageError: something else stands between them, or one with labels.
    CheckpointError: the checkpoint does not describe them, or their arrays do not fit.
    """
    nodes = trained.network.graph.nodes
    machines = rbm_nodes(trained)
    if layer is not None:
        top = chosen_layer(trained, layer)
        machines = machines[: machines.index(top) + 1] if top in machines else []
    if not machines:
        return None
    *below, uppermost = machines
    for node in nodes[: nodes.index(uppermost)]:
        if isinstance(node.layer, ClassRbm) or not (node in below or passes(node)):
            what = "has labels" if node in below else "is no RBM"
            raise UsageError(f"{node.name} stands below {uppermost.name} and {what}; expected --layer")
    rbms = [rbm_of(trained, node) for node in below]
    recognition = [recognition_of(trained, node) or rbm for node, rbm in zip(below, rbms, strict=True)]
    directed = [directed_of(trained, node) or rbm for node, rbm in zip(below, rbms, strict=True)]
    shape = trained.network.graph.input_shape
    return BeliefNetwork([*directed, rbm_of(trained, uppermost)], shape, recognition)
