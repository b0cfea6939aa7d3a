"""Samples of what a model has learned: the idea of one that generates."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np

from dlcli.errors import UsageError
from dlcli.layers.base import Array, Shape

EACH = "each"  # in place of a class: one chain for each of them, in turn


class Generative(ABC):
    """A model with Markov chains whose states are samples, in the end.

    shape: of a sample. labels: classes that may be clamped; 0: the model knows none.
    """

    shape: Shape
    labels: int = 0

    @abstractmethod
    def chains(self, count: int, seed: int, label: int | Array | None = None) -> Iterator[Array]:
        """Run ``count`` chains side by side, from a random start, for ever.

        After each Gibbs step it gives the visible units' means (count, *shape), an array of its own. All is a function
        of the arguments; ``label`` clamps the class to one of the ``labels``, or each chain's to the next of several.
        """


def after(model: Generative, steps: int, count: int, seed: int, label: int | Array | None = None) -> Array:
    """The means (count, *shape) after so many Gibbs steps, at least one."""
    return next(islice(model.chains(count, seed, label), steps - 1, None))


def label_of(model: Generative, classes: Sequence[int | str], name: str | None) -> int | Array | None:
    """The label to clamp for a class of that name, all for `EACH`; None for none.

    Raises
    ------
    UsageError: the model cannot clamp it.
    """
    if name is None:
        return None
    if not model.labels:
        raise UsageError(f"found label {name}, but the model was trained without labels")
    names = [str(each) for each in classes]
    if name == EACH and name not in names:
        return np.arange(model.labels)
    if name not in names[: model.labels]:
        raise UsageError(f"found label {name}, expected {EACH}, or one of: {', '.join(names[: model.labels])}")
    return names.index(name)
