"""The idea of an optimiser: options that turn gradients into updates, through sinks where they can."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from typing import ClassVar

from dlcli.layers.base import Array, ParameterSpec, Sink
from dlcli.optim.schedules.base import Clock, Schedule
from dlcli.options import Family


class Updater(ABC):
    """The state of one optimisation: what the options make of given parameters.

    Attributes
    ----------
    sinks: a parameter's sink, by name. Where it is an ``UPDATE``, the backward pass itself changes the parameter.
    gradients: the stored gradient of each parameter whose sink is not an ``UPDATE``.
    state: arrays that a checkpoint keeps, by name (``momentum/hidden1/weights``).
    learning_rate: the rate ε in force, for the log.
    """

    sinks: dict[str, Sink]
    gradients: dict[str, Array]
    state: dict[str, Array]
    learning_rate: float

    @abstractmethod
    def begin(self, clock: Clock) -> None:
        """Set the hyperparameters for the step that ``clock`` stands before."""

    @abstractmethod
    def finish(self) -> None:
        """Apply the stored gradients, once backward is done."""


class Optimiser(Family):
    """How gradients change parameters."""

    package: ClassVar[str] = "dlcli.optim"
    default_type: ClassVar[str | None] = "sgd"

    def schedules(self) -> dict[str, Schedule]:
        """The schedules in use, by the name of their option."""
        return {}

    @abstractmethod
    def updater(
        self, parameters: Mapping[str, Array], specs: Mapping[str, ParameterSpec], stored: Collection[str] = ()
    ) -> Updater:
        """Begin to optimise ``parameters`` (changed in place); gradients of those in ``stored`` are kept in memory.

        Names are those of a checkpoint: ``hidden1/weights``.
        """
