"""AdaGrad: rates that fall with the squares of the gradients so far."""

from typing import Annotated, ClassVar, Literal

from dlcli.kernels import adaptive
from dlcli.kernels.launch import Planned
from dlcli.optim.descent import Descent
from dlcli.optim.schedules.base import Clock
from dlcli.options import Also, Positive


class AdaGrad(Descent):
    """G(t) = G(t−1) + g²; w(t+1) = w(t) − η g / (√G(t) + ϵ), with g = ∂C/∂w + λ w(t) and G(0) = 0.

    Duchi, Hazan and Singer, "Adaptive subgradient methods for online learning and stochastic optimization" (2011),
    with diagonal matrices; η is `learning_rate`.
    """

    type: Literal["adagrad"] = "adagrad"
    epsilon: Annotated[Positive, Also("eps")] = 1e-10
    """ϵ, which keeps the quotient finite where no gradient has been."""

    states: ClassVar[tuple[str, ...]] = ("adagrad/squares",)
    update: ClassVar[Planned] = adaptive.adagrad

    def factors(self, clock: Clock) -> tuple[float, ...]:
        return (self.epsilon,)
