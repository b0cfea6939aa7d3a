"""Numerical against analytic gradients of a whole network, in float64."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from dlcli.graph import Graph
from dlcli.kernels.sink import STORE
from dlcli.layers.base import Array, Sink
from dlcli.losses.base import Loss
from dlcli.network import Network
from dlcli.random import generator
from dlcli.training.heads import evaluate_heads

STEPS = (1e-3, 1e-5)  # relative to 1 + |x|: the first suits smooth losses, the second comes closer to kinks
TOLERANCE = 1e-6  # of the gradient's largest component
KINK = 1e-7  # disagreement of two step sizes, relative to the largest component, that shows a kink
FLOOR = 1e-5  # of the loss: the differences cannot resolve smaller gradients to `TOLERANCE`


@dataclass(frozen=True)
class Checked:
    """One array's result: ``error`` is the largest difference, relative to the largest component of the gradient.

    ``checked`` components were compared, ``kinks`` skipped because the loss bends there (relu, max pooling).
    """

    name: str
    checked: int
    kinks: int
    error: float

    @property
    def passed(self) -> bool:
        return self.error <= TOLERANCE


def gradcheck(
    graph: Graph, loss: Loss, x: Array, y: Array, *, seed: int, samples: int = 12, auxiliary: Sequence[Loss] = ()
) -> Iterator[Checked]:
    """Check the gradient of the mean training loss by every parameter and by the input.

    Parameters
    ----------
    x, y: a batch and its targets.
    seed: of the initial parameters, of dropout, and of which components are checked.
    samples: components checked of each array.
    auxiliary: losses beside the main one, in the order of the graph's heads.
    """
    network = Network(graph, dtype=np.float64, seed=seed)
    network.initialise()
    x = x.astype(np.float64, order="C")
    gradients = {name: np.zeros_like(array) for name, array in network.parameters.items()}
    unused = np.empty(0)
    network.bind({name: Sink(STORE, g, g, unused) for name, g in gradients.items()}, input_gradient=True)
    n, heads = len(x), (loss, *auxiliary)
    losses = np.empty((len(heads), n))

    def value() -> float:
        network.forward(x, training=True)
        return evaluate_heads(network, heads, y, losses, gradients=False) / n + network.penalty(n)

    network.forward(x, training=True)
    evaluate_heads(network, heads, y, losses)
    network.backward(n)
    arrays = network.parameters | {"input": x}
    analytic = gradients | {"input": network.input_gradient(len(x)).copy()}
    for name, array in arrays.items():
        yield _check(name, array, analytic[name], value, generator(seed, "gradcheck", name), samples)


def _check(
    name: str, array: Array, analytic: Array, value: Callable[[], float], rng: np.random.Generator, samples: int
) -> Checked:
    flat, gradient = array.reshape(-1), analytic.reshape(-1)
    places = rng.permutation(flat.size)[:samples]
    if not np.isfinite(gradient).all():
        return Checked(name, len(places), 0, math.inf)
    checked = [_error(flat, place, gradient, value) for place in places]
    errors = [error for error in checked if error is not None]
    return Checked(name, len(errors), len(places) - len(errors), float(np.max(errors, initial=0.0)))


def _error(flat: Array, place: int, gradient: Array, value: Callable[[], float]) -> float | None:
    """Relative error of one component; None where the loss bends within reach of the smallest step."""
    for step in STEPS:
        wide, narrow = (_slope(flat, place, value, size) for size in (step, step / 2))
        # The numerical slope counts too: a gradient that is wrongly zero must not make every difference a kink.
        scale = max(float(np.abs(gradient).max()), abs(wide), FLOOR * abs(value()))
        if not (abs(wide - narrow) > KINK * scale or _bends(flat, place, value, step, scale)):
            return abs(wide - float(gradient[place])) / scale  # a loss of NaN is no kink: it has to fail
    return None


def _bends(flat: Array, place: int, value: Callable[[], float], step: float, scale: float) -> bool:
    """Whether the slopes to both sides differ as much at half the step: a kink at the very point (ties of maxima).

    Both central differences then agree on a slope that is neither side's. Curvature differs by half as much.
    """
    wide, narrow = (_jump(flat, place, value, size) for size in (step, step / 2))
    return narrow > TOLERANCE * scale and narrow > 0.75 * wide


def _jump(flat: Array, place: int, value: Callable[[], float], step: float) -> float:
    """How much the slopes to both sides differ."""
    before, middle = flat[place], value()
    h = step * (1 + abs(before))
    ends = 0.0
    for offset in (-1, 1):
        flat[place] = before + offset * h
        ends += value()
    flat[place] = before
    return float(abs(ends - 2 * middle) / h)


def _slope(flat: Array, place: int, value: Callable[[], float], step: float) -> float:
    """Derivative by five-point differences, of fourth order in the step."""
    before = flat[place]
    h = step * (1 + abs(before))
    values = []
    for offset in (-2, -1, 1, 2):
        flat[place] = before + offset * h
        values.append(value())
    flat[place] = before
    return float((values[0] - 8 * values[1] + 8 * values[2] - values[3]) / (12 * h))
