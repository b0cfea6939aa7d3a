"""Stochastic gradient descent with momentum and weight decay: eq. (4) of the survey, to the letter."""

import math
from collections.abc import Collection, Mapping
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, field_validator

from dlcli.kernels import sink as kernels
from dlcli.layers.base import Array, ParameterSpec, Sink
from dlcli.optim.base import Optimiser, Updater
from dlcli.optim.schedules.base import Clock, Schedule
from dlcli.optim.schedules.constant import Constant
from dlcli.options import Also, NonNegative, Positive


class Sgd(Optimiser):
    """Δw(t) = −ε ∂C/∂w + α Δw(t−1) − ε λ w(t); w(t+1) = w(t) + Δw(t).

    ε stands inside Δw (as in Caffe; PyTorch keeps it outside), so a change of ε acts on new gradients only. Biases
    are treated as weights are, λ included, unless a layer's `bias_options` say otherwise.
    """

    type: Literal["sgd"] = "sgd"
    learning_rate: Annotated[Positive, Also("ε", "ϵ", "epsilon")]
    """ε, the step along the gradient. It has no default: it must be chosen."""
    momentum: Annotated[Annotated[float, Field(ge=0, lt=1)] | Schedule, Also("α", "alpha")] = 0.9
    """α, the share of the last change that is kept; a schedule with `initial` may stand in its place."""
    weight_decay: Annotated[NonNegative, Also("λ", "lambda")] = 0.0
    """λ, the pull of every weight towards zero."""
    schedule: Schedule = Constant()
    """How ε changes with time."""
    clip_norm: Positive | None = None
    """Largest Euclidean norm of the gradient over all parameters; longer ones are scaled down to it."""

    @field_validator("momentum")
    @classmethod
    def _starts_somewhere(cls, momentum: float | Schedule) -> float | Schedule:
        if isinstance(momentum, Schedule) and (momentum.initial is None or momentum.initial >= 1):
            raise ValueError("a schedule of the momentum needs `initial`, the value below 1 that it starts from")
        return momentum

    def schedules(self) -> dict[str, Schedule]:
        momentum = {"momentum": self.momentum} if isinstance(self.momentum, Schedule) else {}
        return {"schedule": self.schedule, **momentum}

    @field_validator("schedule")
    @classmethod
    def _has_one_base(cls, schedule: Schedule) -> Schedule:
        if schedule.initial is not None:
            raise ValueError(
                f"found initial {schedule.initial:g}; expected none, since `learning_rate` is the base value"
            )
        return schedule

    def updater(
        self, parameters: Mapping[str, Array], specs: Mapping[str, ParameterSpec], stored: Collection[str] = ()
    ) -> "SgdUpdater":
        return SgdUpdater(self, parameters, specs, stored)

    def rates(self, clock: Clock) -> tuple[float, float]:
        """(ε, α) of the step that ``clock`` stands before."""
        momentum = self.momentum
        if isinstance(momentum, Schedule):
            momentum = (momentum.initial or 0.0) * momentum.factor(clock)
        return self.learning_rate * self.schedule.factor(clock), momentum


class SgdUpdater(Updater):
    """Δw of every parameter, and the constants (ε, α, λ) that its sink reads."""

    def __init__(
        self,
        options: Sgd,
        parameters: Mapping[str, Array],
        specs: Mapping[str, ParameterSpec],
        stored: Collection[str],
    ) -> None:
        self._options = options
        self._parameters = parameters
        self._velocities = {name: np.zeros_like(array) for name, array in parameters.items()}
        self._constants = {name: np.zeros(3, array.dtype) for name, array in parameters.items()}
        for name, constants in self._constants.items():
            constants[2] = options.weight_decay * specs[name].multipliers.decay_multiplier
        self._rated = [
            (constants, specs[name].multipliers.learning_rate_multiplier) for name, constants in self._constants.items()
        ]
        self._rates: tuple[float, float] | None = None
        self.learning_rate = options.learning_rate
        self.state = {f"momentum/{name}": velocity for name, velocity in self._velocities.items()}
        keep = set(parameters) if options.clip_norm is not None else set(stored) & set(parameters)
        self.gradients = {name: np.zeros_like(parameters[name]) for name in parameters if name in keep}
        self.sinks = {name: self._sink(name) for name in parameters}
        self._updates = [
            launch
            for name, gradient in self.gradients.items()
            for launch in kernels.update.plan(
                gradient, self._parameters[name], self._velocities[name], self._constants[name]
            )
        ]

    def _sink(self, name: str) -> Sink:
        constants, velocity = self._constants[name], self._velocities[name]
        if name in self.gradients:
            return Sink(kernels.STORE, self.gradients[name], velocity, constants)
        return Sink(kernels.UPDATE, self._parameters[name], velocity, constants)

    def begin(self, clock: Clock) -> None:
        rates = self._options.rates(clock)
        if rates == self._rates:
            return
        self._rates = rates
        self.learning_rate, momentum = rates
        for constants, multiplier in self._rated:
            constants[0] = self.learning_rate * multiplier
            constants[1] = momentum

    def finish(self) -> None:
        if self._options.clip_norm is not None:
            self._clip(self._options.clip_norm)
        for launch in self._updates:
            launch.run()

    def _clip(self, limit: float) -> None:
        norm = gradient_norm(self.gradients)
        if limit < norm < math.inf:  # an infinite gradient is to be met as divergence
            for gradient in self.gradients.values():
                gradient *= gradient.dtype.type(limit / norm)


def gradient_norm(gradients: Mapping[str, Array]) -> float:
    """Euclidean norm over all the arrays, summed in float64 in a fixed order."""
    return float(np.sqrt(sum(kernels.sum_of_squares(g.reshape(-1)) for g in gradients.values())))
