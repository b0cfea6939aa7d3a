"""The idea of stochastic units: how a side of a Boltzmann machine gets its means and states from its total input."""

from abc import abstractmethod
from typing import ClassVar

from dlcli.kernels.activation import LINEAR
from dlcli.kernels.launch import Launch
from dlcli.layers.base import Array
from dlcli.options import Family


class Units(Family):
    """The units of one side of a restricted Boltzmann machine."""

    package: ClassVar[str] = "dlcli.pretrain.units"
    function: ClassVar[int] = LINEAR  # what makes a mean of a total input, as far as a product's store can do it

    def check(self, count: int) -> None:
        """Raise ValueError where so many units cannot be of this kind."""

    def means(self, mean: Array) -> list[Launch]:
        """From ``function`` of the total inputs (N, units) to the means, in place."""
        return []

    @abstractmethod
    def draw(self, mean: Array, deviation: Array, states: Array, key: int, time: Array) -> list[Launch]:
        """`means`, and states (N, units) drawn from them; about them with ``deviation`` (units,) if they are Gaussian.

        ``time`` (1,) int64 addresses the draws beside the key; the launches read it when they run.
        """
