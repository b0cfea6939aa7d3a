"""Stochastic gradient descent with momentum and weight decay: eq. (4) of the survey, to the letter."""

from typing import ClassVar, Literal

from dlcli.kernels import sink
from dlcli.kernels.launch import Planned
from dlcli.optim.momentum import MomentumDescent


class Sgd(MomentumDescent):
    """Δw(t) = −ε ∂C/∂w + α Δw(t−1) − ε λ w(t); w(t+1) = w(t) + Δw(t).

    ε stands inside Δw (as in Caffe; PyTorch keeps it outside), so a change of ε acts on new gradients only. Biases
    are treated as weights are, λ included, unless a layer's `bias_options` say otherwise.
    """

    type: Literal["sgd"] = "sgd"

    states: ClassVar[tuple[str, ...]] = ("momentum",)
    update: ClassVar[Planned] = sink.update
    fused: ClassVar[bool] = True

    @property
    def fused_kind(self) -> int:
        """Where α is 0 for good, Δw stays as it is, 0: only a parameter that several layers share needs its memory."""
        return sink.MOVE if self.momentum == 0 else sink.UPDATE
