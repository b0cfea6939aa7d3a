"""The losses at a network's heads, and the gradients of their weighted sum."""

from collections.abc import Sequence

import numpy as np

from dlcli.layers.base import Array
from dlcli.losses.base import Loss
from dlcli.network import Network


def evaluate_heads(
    network: Network, losses: Sequence[Loss], targets: Array, per_sample: Array, *, gradients: bool = True
) -> float:
    """Of the batch just passed forward in training: Σ over heads of weight · Σ over samples of the loss.

    Parameters
    ----------
    losses: one for each of the network's heads, in their order.
    targets: of the N samples, the same for all heads.
    per_sample: (heads, N) float64, written: each loss of each sample, without its weight.
    gradients: whether to write those of the weighted mean loss where the network's backward pass expects them.
    """
    n, total = len(targets), 0.0
    for index, loss in enumerate(losses):
        gradient = network.output_gradient(n, index) if gradients else None
        loss.evaluate(network.head(n, index), targets, per_sample[index], gradient)
        if gradient is not None and loss.weight != 1:
            gradient *= loss.weight
        total += loss.weight * float(np.add.reduce(per_sample[index]))
    return total
