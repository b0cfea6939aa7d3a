"""The idea of an optimiser: options that turn gradients into updates, through sinks where they can."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping
from typing import ClassVar

from dlcli.layers.base import Array, ParameterSpec, Sink
from dlcli.optim.schedules.base import Clock, Schedule
from dlcli.options import Family


class Updater(ABC):
    """The state of one optimisation: what the options make of given parameters.

    Attributes
    ----------
    sinks: a parameter's sink, by name. Where it is an ``UPDATE`` or a ``MOVE``, the backward pass itself changes the
        parameter.
    gradients: the stored gradient of each parameter whose sink is neither.
    state: arrays that a checkpoint keeps, by name (``momentum/hidden1/weights``). With the parameters and the clock,
        they decide what a step does.
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
    def finish(self, loss: float = 0.0, again: Callable[[], float] | None = None) -> None:
        """Apply the stored gradients, once backward is done.

        Parameters
        ----------
        loss: what the gradients are of: the mini-batch's mean loss, finite.
        again: computes the mini-batch's loss, which it gives, and, where that is finite, its gradients anew, at what
            the parameters are then. A method that searches along a line asks; others need neither.
        """


class Optimiser(Family):
    """How gradients change parameters."""

    package: ClassVar[str] = "dlcli.optim"
    default_type: ClassVar[str | None] = "sgd"

    def schedules(self) -> dict[str, Schedule]:
        """The schedules in use, by the name of their option."""
        return {}

    @abstractmethod
    def memory(self) -> int:
        """How many numbers the updater keeps for each number of a parameter: state, and gradients that it stores."""

    @abstractmethod
    def updater(
        self, parameters: Mapping[str, Array], specs: Mapping[str, ParameterSpec], stored: Collection[str] = ()
    ) -> Updater:
        """Begin to optimise ``parameters`` (changed in place); gradients of those in ``stored`` are kept in memory.

        Names are those of a checkpoint: ``hidden1/weights``.
        """
