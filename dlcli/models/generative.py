"""Samples of what a model has learned: the idea of one that generates."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from itertools import islice

from dlcli.errors import UsageError
from dlcli.layers.base import Array, Shape


class Generative(ABC):
    """A model with Markov chains whose states are samples, in the end.

    shape: of a sample. labels: classes that may be clamped; 0: the model knows none.
    """

    shape: Shape
    labels: int = 0

    @abstractmethod
    def chains(self, count: int, seed: int, label: int | None = None) -> Iterator[Array]:
        """Run ``count`` chains side by side, from a random start, for ever.

        After each Gibbs step it gives the visible units' means (count, *shape), an array of its own. All is a function
        of the arguments; ``label`` clamps the class to one of the ``labels``.
        """


def after(model: Generative, steps: int, count: int, seed: int, label: int | None = None) -> Array:
    """The means (count, *shape) after so many Gibbs steps, at least one.

    Raises
    ------
    UsageError: the model knows no such label.
    """
    check_label(model, label)
    return next(islice(model.chains(count, seed, label), steps - 1, None))


def check_label(model: Generative, label: int | None) -> None:
    """Raise `UsageError` where the model cannot clamp a label."""
    if label is None:
        return
    if not model.labels:
        raise UsageError(f"found label {label}, but the model was trained without labels")
    if not 0 <= label < model.labels:
        raise UsageError(f"found label {label}, expected 0 to {model.labels - 1}")
