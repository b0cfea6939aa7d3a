"""The k most active units of a layer, alone (Makhzani and Frey, "k-Sparse autoencoders" (2013))."""

from collections.abc import Sequence
from math import prod
from typing import Literal

import numpy as np

from dlcli.kernels import philox
from dlcli.kernels import winners as kernels
from dlcli.kernels.launch import Launch
from dlcli.layers.base import Arrays, BufferSpec, Shape, ShapeError, one_input
from dlcli.layers.elementwise import Elementwise, rows
from dlcli.options import Count


class KWinners(Elementwise):
    """y = x where x is among the k largest values of its sample, else 0; of equals the first ones win.

    The gradient goes to the winners.
    """

    type: Literal["k_winners"] = "k_winners"
    k: Count
    """How many values of each sample are kept."""
    evaluation_k: Count | None = None
    """How many are kept in evaluation; by default as many. The paper keeps some more than in training."""

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        shape, most = one_input(inputs), max(self.k, self.evaluation_k or 0)
        if most > prod(shape):
            raise ShapeError(f"keeps {most} values of each sample, found {prod(shape)}")
        return shape

    def saved(self, inputs: Sequence[Shape]) -> dict[str, BufferSpec]:
        return {"winners": BufferSpec(one_input(inputs), np.uint8)}

    def forward(self, arrays: Arrays, training: bool, step: int) -> None:
        if training or self.evaluation_k is None:
            arrays.run("training", lambda: self._plan(arrays, self.k))
        else:
            k = self.evaluation_k
            arrays.run("evaluation", lambda: self._plan(arrays, k))

    def _plan(self, arrays: Arrays, k: int) -> list[Launch]:
        return kernels.winners.plan(rows(arrays.inputs[0]), k, rows(arrays.output), rows(arrays.saved["winners"]))

    def backward(self, arrays: Arrays) -> None:
        dy, winners, dx = arrays.d_output, arrays.saved["winners"], arrays.d_inputs[0]
        if dx is not None:
            arrays.run("backward", lambda: philox.masked.plan(rows(dy), rows(winners), 1.0, rows(dx)))
