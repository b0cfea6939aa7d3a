"""What layers share whose parameters are a number per channel."""

from collections.abc import Sequence

from dlcli.kernels import dense
from dlcli.kernels.launch import Launch
from dlcli.layers.base import Array, Sink


def settled(gradients: Array, sinks: Sequence[Sink | None]) -> list[Launch]:
    """Launches that send row i of ``gradients`` (parameters, C) to sink i, where there is one.

    A row is its own sum over one row.
    """
    plan: list[Launch] = []
    for row, sink in zip(gradients, sinks, strict=True):
        if sink is not None:
            plan += dense.column_sums.plan(row.reshape(1, -1), *sink)
    return plan
