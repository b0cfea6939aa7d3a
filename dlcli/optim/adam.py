"""Adam: running averages of the gradient and of its square."""

import math
from typing import Annotated, ClassVar, Literal

from dlcli.kernels import adaptive
from dlcli.kernels.launch import Planned
from dlcli.optim.descent import Descent
from dlcli.optim.schedules.base import Clock
from dlcli.options import Also, Positive, Share


class Adam(Descent):
    """m = β₁ m + (1 − β₁) g; v = β₂ v + (1 − β₂) g²; w = w − η m̂ / (√v̂ + ϵ), m̂ = m / (1 − β₁ᵗ), v̂ = v / (1 − β₂ᵗ).

    Kingma and Ba, "Adam: a method for stochastic optimization" (2015), algorithm 1; η is `learning_rate`, and t counts
    the stage's steps from 1. g = ∂C/∂w + λ w: the decay goes through the averages (L2), unless it is `decoupled`.
    """

    type: Literal["adam"] = "adam"
    beta1: Annotated[Share, Also("β1", "beta_1")] = 0.9
    """β₁, the share of the gradients' average that each step keeps."""
    beta2: Annotated[Share, Also("β2", "beta_2")] = 0.999
    """β₂, the share of the squares' average that each step keeps."""
    epsilon: Annotated[Positive, Also("eps")] = 1e-8
    """ϵ, which keeps the quotient finite where no gradient has been."""
    decoupled: bool = False
    """Whether weights decay by themselves, w = w − η λ w − …, with g = ∂C/∂w: AdamW (Loshchilov and Hutter 2019), with
    the learning rate as a factor, as in PyTorch."""

    states: ClassVar[tuple[str, ...]] = ("adam/first", "adam/second")
    update: ClassVar[Planned] = adaptive.adam

    def factors(self, clock: Clock) -> tuple[float, ...]:
        time = clock.step + 1
        first, second = 1.0 / (1.0 - self.beta1**time), 1.0 / math.sqrt(1.0 - self.beta2**time)
        averages = (self.beta1, 1.0 - self.beta1, self.beta2, 1.0 - self.beta2)
        return (first, second, *averages, self.epsilon, float(self.decoupled))
