"""The parametric rectifier (He et al. 2015, "Delving Deep into Rectifiers", section 2.1)."""

from collections.abc import Sequence
from math import prod
from typing import Annotated, Literal

from dlcli.initialisers.base import Initialiser
from dlcli.initialisers.constant import Constant
from dlcli.kernels import channels, rectifiers
from dlcli.kernels.constants import ones, zeros
from dlcli.kernels.launch import Launch
from dlcli.layers.base import Arrays, BufferSpec, MultiplierOptions, ParameterSpec, Shape, one_input
from dlcli.layers.elementwise import Elementwise
from dlcli.layers.per_channel import settled
from dlcli.options import Also


class Prelu(Elementwise):
    """y = x where x > 0, a_c · x elsewhere, with a learned slope a_c per channel, the last axis, or one for all.

    x, y: (N, …, C). weights (a): (C,), or (1,) where it is shared. The paper lets a not decay, lest it become relu.
    """

    type: Literal["prelu"] = "prelu"
    shared: bool = False
    """Whether all channels have one slope."""
    initialiser: Annotated[Initialiser, Also("initializer")] = Constant(value=0.25)
    """How the slopes start."""
    weights_options: MultiplierOptions = MultiplierOptions(decay_multiplier=0.0)
    """Factors on the learning rate and the decay of the slopes."""

    def parameters(self, inputs: Sequence[Shape]) -> dict[str, ParameterSpec]:
        shape = (self._slopes(inputs),)
        return {"weights": ParameterSpec(shape, self.initialiser, 1, 1, self.weights_options)}

    def saved(self, inputs: Sequence[Shape]) -> dict[str, BufferSpec]:
        return {"sums": BufferSpec((2, self._slopes(inputs)), per_batch=True)}

    def multiply_adds(self, inputs: Sequence[Shape]) -> int:
        return prod(one_input(inputs))

    def forward(self, arrays: Arrays, training: bool, step: int) -> None:
        x, y, slopes = arrays.inputs[0], arrays.output, arrays.parameters["weights"]
        arrays.run("forward", lambda: rectifiers.leaky.plan(x, slopes, x, y))

    def backward(self, arrays: Arrays) -> None:
        arrays.run("backward", lambda: self._plan_backward(arrays))

    def _slopes(self, inputs: Sequence[Shape]) -> int:
        return 1 if self.shared else one_input(inputs)[-1]

    def _plan_backward(self, arrays: Arrays) -> list[Launch]:
        """d a = Σ dy · min(x, 0): eq. (9) of the paper."""
        x, dy, dx = arrays.inputs[0], arrays.d_output, arrays.d_inputs[0]
        slopes, totals, sink = arrays.parameters["weights"], arrays.saved["sums"], arrays.sinks["weights"]
        plan: list[Launch] = []
        if dx is not None:
            plan += rectifiers.leaky.plan(x, slopes, dy, dx)
        if sink is not None:
            none, all_ones = zeros(dy.dtype, slopes.size), ones(dy.dtype, slopes.size)
            plan += channels.sums.plan(dy, x, none, 0.0, all_ones, totals)
        return plan + settled(totals, (None, sink))
