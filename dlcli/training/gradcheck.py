"""Numerical against analytic gradients of a whole network, in float64."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from dlcli.graph import Graph
from dlcli.kernels.sink import STORE
from dlcli.layers.base import Array, Sink
from dlcli.losses.base import Loss
from dlcli.network import Network
from dlcli.random import generator

STEP = 1e-3  # relative to 1 + |x|
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


def gradcheck(graph: Graph, loss: Loss, x: Array, y: Array, *, seed: int, samples: int = 12) -> Iterator[Checked]:
    """Check the gradient of the mean training loss by every parameter and by the input.

    Parameters
    ----------
    x, y: a batch and its targets.
    seed: of the initial parameters, of dropout, and of which components are checked.
    samples: components checked of each array.
    """
    network = Network(graph, dtype=np.float64, seed=seed)
    network.initialise()
    x = x.astype(np.float64, order="C")
    gradients = {name: np.zeros_like(array) for name, array in network.parameters.items()}
    unused = np.empty(0)
    network.bind({name: Sink(STORE, g, g, unused) for name, g in gradients.items()}, input_gradient=True)
    losses = np.empty(len(x))

    def value() -> float:
        outputs = network.forward(x, training=True)
        loss.evaluate(outputs, y, losses)
        return float(losses.mean()) + network.penalty(len(x))

    loss.evaluate(network.forward(x, training=True), y, losses, network.output_gradient(len(x)))
    network.backward(len(x))
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
    wide, narrow = (np.array([_slope(flat, place, value, step) for place in places]) for step in (STEP, STEP / 2))
    # The numerical slopes count too: a gradient that is wrongly zero must not make every difference a kink.
    scale = np.max([np.abs(gradient).max(), np.abs(wide).max(), FLOOR * abs(value())])
    smooth = ~(np.abs(wide - narrow) > KINK * scale)  # a loss of NaN is no kink: it has to fail
    errors = np.abs(wide - gradient[places])[smooth] / scale
    return Checked(name, len(errors), len(places) - len(errors), float(errors.max(initial=0.0)))


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
