"""What the methods of gradient descent share: rates, decay and clipping; and their updater."""

import math
from abc import abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Annotated, ClassVar

import numpy as np
from pydantic import field_validator

from dlcli.kernels import sink as kernels
from dlcli.kernels.launch import Launch, Planned
from dlcli.layers.base import Array, ParameterSpec, Sink
from dlcli.optim.base import Optimiser, Updater
from dlcli.optim.schedules.base import Clock, Schedule
from dlcli.optim.schedules.constant import Constant
from dlcli.options import Also, NonNegative, Positive


class Descent(Optimiser):
    """A method whose step is a function of a parameter's gradient and of a few arrays of the parameter's shape.

    Biases are treated as weights are, λ included, unless a layer's `bias_options` say otherwise.
    """

    learning_rate: Positive
    """The step along the gradient. It has no default: it must be chosen."""
    weight_decay: Annotated[NonNegative, Also("λ", "lambda")] = 0.0
    """λ, the pull of every weight towards zero."""
    schedule: Schedule = Constant()
    """How the learning rate changes with time."""
    clip_norm: Positive | None = None
    """Largest Euclidean norm of the gradient over all parameters; longer ones are scaled down to it."""

    states: ClassVar[tuple[str, ...]]  # arrays that each parameter has, by their names in a checkpoint
    update: ClassVar[Planned]  # (gradient, weights, *states, constants)
    fused: ClassVar[bool] = False  # whether a sink does the same, of the kind `fused_kind`

    @field_validator("schedule")
    @classmethod
    def _has_one_base(cls, schedule: Schedule) -> Schedule:
        if schedule.initial is not None:
            raise ValueError(
                f"found initial {schedule.initial:g}; expected none, since `learning_rate` is the base value"
            )
        return schedule

    def schedules(self) -> dict[str, Schedule]:
        return {"schedule": self.schedule}

    def rate(self, clock: Clock) -> float:
        """The learning rate of the step that ``clock`` stands before."""
        return self.learning_rate * self.schedule.factor(clock)

    @abstractmethod
    def factors(self, clock: Clock) -> tuple[float, ...]:
        """What the kernel reads beside learning rate and decay, the same for all parameters."""

    @property
    def fused_kind(self) -> int:
        """The kind of sink that does what `update` does."""
        return kernels.UPDATE

    def memory(self) -> int:
        return len(self.states) + (not self.fused or self.clip_norm is not None)

    def updater(
        self, parameters: Mapping[str, Array], specs: Mapping[str, ParameterSpec], stored: Collection[str] = ()
    ) -> "DescentUpdater":
        return DescentUpdater(self, parameters, specs, stored)


class DescentUpdater(Updater):
    """The arrays of every parameter, and the constants that its kernel reads: (rate, *factors, decay)."""

    def __init__(
        self,
        options: Descent,
        parameters: Mapping[str, Array],
        specs: Mapping[str, ParameterSpec],
        stored: Collection[str],
    ) -> None:
        self._options = options
        self._states = {name: [np.zeros_like(array) for _ in options.states] for name, array in parameters.items()}
        self.state = {
            f"{prefix}/{name}": array
            for name, arrays in self._states.items()
            for prefix, array in zip(options.states, arrays, strict=True)
        }
        multipliers = [specs[name].multipliers for name in parameters]
        self._multipliers = np.array([own.learning_rate_multiplier for own in multipliers])
        dtype = next((array.dtype for array in parameters.values()), np.dtype(np.float32))
        self._constants = np.zeros((len(parameters), 2 + len(options.factors(Clock(0, 1, 1)))), dtype)
        self._constants[:, -1] = [options.weight_decay * own.decay_multiplier for own in multipliers]
        self._now: tuple[float, ...] | None = None
        self.learning_rate = options.learning_rate
        keep = set(stored) if options.fused and options.clip_norm is None else set(parameters)
        self.gradients = {name: np.zeros_like(array) for name, array in parameters.items() if name in keep}
        constants = dict(zip(parameters, self._constants, strict=True))
        self.sinks = {name: self._sink(name, parameters[name], constants[name]) for name in parameters}
        self._updates: Sequence[Launch] = [
            launch
            for name, gradient in self.gradients.items()
            for launch in options.update.plan(gradient, parameters[name], *self._states[name], constants[name])
        ]

    def _sink(self, name: str, parameter: Array, constants: Array) -> Sink:
        if name in self.gradients:  # a sink that stores reads no more than its target
            return Sink(kernels.STORE, self.gradients[name], self.gradients[name], constants)
        (velocity,) = self._states[name]
        return Sink(self._options.fused_kind, parameter, velocity, constants)

    def begin(self, clock: Clock) -> None:
        now = (self._options.rate(clock), *self._options.factors(clock))
        if now == self._now:
            return
        self._now = now
        self.learning_rate = now[0]
        self._constants[:, 0] = self.learning_rate * self._multipliers
        self._constants[:, 1:-1] = now[1:]

    def finish(self, loss: float = 0.0, again: Callable[[], float] | None = None) -> None:
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
