"""Mean field in a deep Boltzmann machine: the fully factorised posterior q(h | v) = Π_j q_j of its hidden layers.

It starts with a pass upward in which every layer but the top takes twice its input from below, in place of the input
from above. Then each layer in turn takes its mean given its neighbours', q^l = σ(q^(l−1) W^l + q^(l+1) W^(l+1)ᵀ + b^l),
which can only raise the bound on log p(v) (Salakhutdinov and Hinton 2009, section 2.2).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from dlcli.kernels import dense
from dlcli.kernels.activation import LINEAR, SIGMOID
from dlcli.kernels.launch import Launch, Planned

Array = npt.NDArray[Any]


@Planned
def mean_field(
    v: Array, weights: Sequence[Array], biases: Sequence[Array], means: Sequence[Array], steps: int
) -> list[Launch]:
    """means ← those of each hidden layer (N, units) for v (N, visible), after so many rounds over the layers.

    weights: (units below, units) of each layer from the first up. biases: (units,) likewise.
    """
    top = len(weights) - 1
    below = [v, *means[:-1]]
    totals = [np.zeros_like(mean) for mean in means[:-1]]  # of what comes from below

    def rise(place: int) -> list[Launch]:
        return dense.forward.plan(below[place], weights[place], biases[place], LINEAR, totals[place])

    def top_mean() -> list[Launch]:
        return dense.forward.plan(below[top], weights[top], biases[top], SIGMOID, means[top])

    start: list[Launch] = []
    for place in range(top):
        twice = dense.forward.plan(below[place], weights[place], totals[place], SIGMOID, means[place])
        start += [*rise(place), *twice]
    start += top_mean()
    if top == 0:
        return start
    round_: list[Launch] = []
    for place in range(top):
        if place > 0:  # the samples do not change
            round_ += rise(place)
        above = weights[place + 1]
        round_ += dense.forward_transposed.plan(means[place + 1], above, totals[place], SIGMOID, means[place])
    return start + steps * [*round_, *top_mean()]
