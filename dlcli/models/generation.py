"""Samples of what a model has learned: the idea of one that generates, and where it is found in a trained network."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from itertools import islice

from dlcli.errors import UsageError
from dlcli.layers.base import Array, Shape
from dlcli.trained import Trained


class Generative(ABC):
    """A model with Markov chains whose states are samples, in the end."""

    shape: Shape  # of a sample
    labels: int = 0  # classes that may be clamped; 0: the model knows none

    @abstractmethod
    def chains(self, count: int, seed: int, label: int | None = None) -> Iterator[Array]:
        """Run ``count`` chains side by side, from a random start, for ever.

        After each Gibbs step it gives the visible units' means (count, *shape), an array of its own. All is a function
        of the arguments; ``label`` clamps the class to one of the ``labels``.
        """


Finder = Callable[[Trained, str | None], Generative | None]


def generative(trained: Trained, layer: str | None = None) -> Generative:
    """The generative model in a trained network; ``layer`` is the uppermost, by default the last one that can be it.

    Raises
    ------
    UsageError: there is none.
    """
    from dlcli.models.belief import stack_of_rbms

    finders: tuple[Finder, ...] = (stack_of_rbms,)
    for find in finders:
        if (found := find(trained, layer)) is not None:
            return found
    where = f"in layer {layer}" if layer else "among the layers"
    raise UsageError(f"{trained.path}: found no generative model {where}; expected one pretrained by method rbm")


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
