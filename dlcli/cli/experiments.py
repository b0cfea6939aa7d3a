"""From CONFIG, --set and --seed to an experiment, and from its misfits back to the file's lines."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from dlcli.config.experiment import Experiment
from dlcli.config.load import load_located
from dlcli.errors import ConfigError, MisfitError


@contextmanager
def experiment_of(config: str, overrides: Sequence[str], seed: int | None) -> Iterator[Experiment]:
    """The experiment of a config file.

    A `MisfitError` raised inside the context becomes a `ConfigError` that names the file's line.

    Raises
    ------
    ConfigError: all the mistakes of the file and of the overrides.
    """
    located = load_located(config, overrides, seed=seed)
    try:
        yield located.experiment
    except MisfitError as misfit:
        raise ConfigError([located.mistake(misfit.path, misfit.message)]) from misfit
