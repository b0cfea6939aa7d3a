"""The idea of an initialiser: options that fill an array, given its fans and a generator."""

from abc import abstractmethod
from typing import ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from dlcli.options import Family

Array = npt.NDArray[np.floating]


class Fills(Protocol):
    """What a parameter starts by: an initialiser, or what a layer makes of one."""

    def fill(self, array: Array, fan_in: int, fan_out: int, rng: np.random.Generator) -> None:
        """Write the initial values; see `Initialiser.fill`."""


class Initialiser(Family):
    """How a parameter starts."""

    package: ClassVar[str] = "dlcli.initialisers"

    @abstractmethod
    def fill(self, array: Array, fan_in: int, fan_out: int, rng: np.random.Generator) -> None:
        """Write the initial values.

        Parameters
        ----------
        array: (fan-in axes …, outputs), written in place.
        fan_in, fan_out: connections into and out of a unit (for a convolution, kernel area × channels).
        rng: a generator of this parameter's own.
        """
