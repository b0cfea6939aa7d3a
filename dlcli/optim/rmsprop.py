"""RMSProp: gradients divided by a running average of their size."""

from typing import Annotated, ClassVar, Literal

from dlcli.kernels import adaptive
from dlcli.kernels.launch import Planned
from dlcli.optim.descent import Descent
from dlcli.optim.schedules.base import Clock
from dlcli.options import Also, Positive, Share


class RmsProp(Descent):
    """r(t) = ρ r(t−1) + (1 − ρ) g²; w(t+1) = w(t) − η g / (√r(t) + ϵ), with g = ∂C/∂w + λ w(t) and r(0) = 0.

    Tieleman and Hinton, "Lecture 6.5: RMSProp", Neural Networks for Machine Learning (2012); η is `learning_rate`.
    PyTorch's ρ is 0.99 unless told otherwise.
    """

    type: Literal["rmsprop"] = "rmsprop"
    rho: Annotated[Share, Also("ρ", "rms_decay")] = 0.9
    """ρ, the share of the average that each step keeps."""
    epsilon: Annotated[Positive, Also("eps")] = 1e-8
    """ϵ, which keeps the quotient finite where no gradient has been."""

    states: ClassVar[tuple[str, ...]] = ("rmsprop/squares",)
    update: ClassVar[Planned] = adaptive.rmsprop

    def factors(self, clock: Clock) -> tuple[float, ...]:
        return (self.rho, 1.0 - self.rho, self.epsilon)
