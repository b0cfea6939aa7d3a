"""Samples of what a model has learned: the idea of one that generates."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np

from dlcli import random
from dlcli.data.batches import BatchSource
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
    def chains(
        self, count: int, seed: int, label: int | Array | None = None, start: Array | None = None
    ) -> Iterator[Array]:
        """Run ``count`` chains side by side, for ever, from a random start, or from samples ``start`` (count, *shape).

        After each Gibbs step it gives the visible units' means (count, *shape), an array of its own. All is a function
        of the arguments; ``label`` clamps the class to one of the ``labels``, or each chain's to the next of several.
        """


def after(
    model: Generative, steps: int, count: int, seed: int, label: int | Array | None = None, start: Array | None = None
) -> Array:
    """The means (count, *shape) after so many Gibbs steps, at least one; the arguments are those of `chains`."""
    return next(islice(model.chains(count, seed, label, start), steps - 1, None))


def samples_of(source: BatchSource, count: int, seed: int, label: int | Array | None = None) -> Array:
    """Where chains may start: ``count`` samples (count, …) drawn from a data set, each of the class of its chain.

    Raises
    ------
    UsageError: it has no sample of a class.
    """
    rng = random.generator(seed, "sample", "data")
    if label is None:
        chosen = rng.integers(len(source), size=count)
    else:
        wanted = np.resize(label, count)
        places = {each: np.flatnonzero(source.y == each) for each in np.unique(wanted)}
        missing = [str(each) for each, found in places.items() if not len(found)]
        if missing:
            raise UsageError(f"the data have no sample of class {', '.join(missing)} to start at")
        chosen = np.array([rng.choice(places[each]) for each in wanted])
    x = np.empty((count, *source.sample_shape), np.float32)
    source.fill(chosen, x)
    return x


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
