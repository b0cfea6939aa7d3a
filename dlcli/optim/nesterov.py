"""Nesterov's accelerated gradient."""

from typing import ClassVar, Literal

from dlcli.kernels import adaptive
from dlcli.kernels.launch import Planned
from dlcli.optim.momentum import MomentumDescent


class Nesterov(MomentumDescent):
    """Δw(t) = α Δw(t−1) − ε (∂C/∂w + λ w(t)); w(t+1) = w(t) + α Δw(t) − ε (∂C/∂w + λ w(t)).

    Sutskever et al., "On the importance of initialization and momentum in deep learning" (2013), eqs. (3) and (4),
    θ' = θ + v', v' = α v − ε ∇f(θ + α v), written for the point w = θ + α v at which their gradient is taken: what is
    trained, evaluated and kept are these points, as in Caffe, Keras and PyTorch. The two forms agree step by step
    while α is constant; with a schedule of α, this step's stands where the next one's would. ε stands inside Δw, as
    in `sgd`.
    """

    type: Literal["nesterov"] = "nesterov"

    states: ClassVar[tuple[str, ...]] = ("momentum",)
    update: ClassVar[Planned] = adaptive.nesterov
