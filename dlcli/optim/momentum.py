"""What the methods with momentum share: its option, and the two rates of a step."""

from typing import Annotated

from pydantic import Field, field_validator

from dlcli.optim.descent import Descent
from dlcli.optim.schedules.base import Clock, Schedule
from dlcli.options import Also, Positive


class MomentumDescent(Descent):
    """Gradient descent that keeps a share of its last change."""

    learning_rate: Annotated[Positive, Also("ε", "ϵ", "epsilon")]
    """ε, the step along the gradient. It has no default: it must be chosen."""
    momentum: Annotated[Annotated[float, Field(ge=0, lt=1)] | Schedule, Also("α", "alpha")] = 0.9
    """α, the share of the last change that is kept; a schedule with `initial` may stand in its place."""

    @field_validator("momentum")
    @classmethod
    def _starts_somewhere(cls, momentum: float | Schedule) -> float | Schedule:
        if isinstance(momentum, Schedule) and (momentum.initial is None or momentum.initial >= 1):
            raise ValueError("a schedule of the momentum needs `initial`, the value below 1 that it starts from")
        return momentum

    def schedules(self) -> dict[str, Schedule]:
        momentum = {"momentum": self.momentum} if isinstance(self.momentum, Schedule) else {}
        return super().schedules() | momentum

    def factors(self, clock: Clock) -> tuple[float, ...]:
        """α of the step that ``clock`` stands before."""
        momentum = self.momentum
        if isinstance(momentum, Schedule):
            momentum = (momentum.initial or 0.0) * momentum.factor(clock)
        return (momentum,)
