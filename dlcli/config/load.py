"""A config file → the resolved experiment, or all that is wrong with it."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from dlcli.config.consistency import misfits
from dlcli.config.experiment import Experiment
from dlcli.config.explain import explain
from dlcli.config.forms import locate
from dlcli.config.nodes import Node, Position
from dlcli.config.overrides import override
from dlcli.config.reader import MAX_BYTES, decode, read
from dlcli.errors import ConfigError, MisfitError, Mistake


@dataclass(frozen=True)
class Located:
    """An experiment, and where in its file everything stands."""

    experiment: Experiment
    _root: Node

    def mistake(self, path: Sequence[str | int], message: str) -> Mistake:
        """The mistake that a `MisfitError` with this path and message means, at its place in the file.

        A value that the file leaves out is placed at the mapping that could hold it.
        """
        return _locate(self._root, MisfitError(path, message))


def load(path: str, overrides: Sequence[str] = (), *, seed: int | None = None) -> Experiment:
    """The experiment that a file describes; see `load_located`."""
    return load_located(path, overrides, seed=seed).experiment


def load_located(path: str, overrides: Sequence[str] = (), *, seed: int | None = None) -> Located:
    """Read and check a config file.

    Parameters
    ----------
    path: the file; ``-`` is standard input.
    overrides: KEY=VALUE, in order; VALUE is YAML, KEY dotted (`network.hidden1.units`).
    seed: overrides the seed.

    Raises
    ------
    ConfigError: all the mistakes of the file and of the overrides.
    """
    file = "<stdin>" if path == "-" else path
    text = decode(_bytes(path), file)
    return _resolve(text, file, [*overrides, *([] if seed is None else [f"seed={seed}"])])


def from_text(text: str, file: str) -> Experiment:
    """The experiment of a config that a run or a checkpoint keeps; ``file`` is its name in messages."""
    return _resolve(text, file, ()).experiment


def _bytes(path: str) -> bytes:
    """The file's content, no more of it than shows that it is too long."""
    try:
        if path == "-":
            return sys.stdin.buffer.read(MAX_BYTES + 1)
        with Path(path).open("rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except IsADirectoryError as error:
        raise _whole(path, "found a directory, expected a config file") from error
    except FileNotFoundError as error:
        raise _whole(path, "no such file, expected a config file") from error
    except OSError as error:
        raise _whole(path, f"cannot be read: {error.strerror}") from error


def _whole(file: str, message: str) -> ConfigError:
    return ConfigError([Position(file, 1, 1).mistake((), message)])


def _resolve(text: str, file: str, overrides: Sequence[str]) -> Located:
    root, mistakes = read(text, file)
    if root is None or root.value is None:
        raise _whole(file, "found nothing, expected a mapping with `data`, `network`, `loss` and the like")
    if not isinstance(root.value, dict):
        message = f"found {root.written}, expected a mapping with `data`, `network`, `loss` and the like"
        raise ConfigError([*mistakes, root.at.mistake((), message)])
    for text_of_one in overrides:
        try:
            root, more = override(Experiment, root, text_of_one)
            mistakes += more
        except ConfigError as error:
            mistakes += error.mistakes
    experiment, more = _validate(root)
    known = {_place(mistake) for mistake in mistakes}
    mistakes += [mistake for mistake in more if _place(mistake) not in known]
    if experiment is None or mistakes:
        raise ConfigError(sorted(mistakes, key=lambda mistake: (mistake.file != file, *_place(mistake))))
    return Located(experiment, root)


def _place(mistake: Mistake) -> tuple[int, int, str]:
    return mistake.line, mistake.column, mistake.key


def _validate(root: Node) -> tuple[Experiment | None, list[Mistake]]:
    try:
        return Experiment.model_validate(root.plain()), []
    except ValidationError as error:
        mistakes = explain(Experiment, root, error.errors(include_url=False))
    except MisfitError:
        mistakes = []
    return None, mistakes + [_locate(root, misfit) for misfit in misfits(root.plain())]


def _locate(root: Node, misfit: MisfitError) -> Mistake:
    at, keys = locate(Experiment, root, misfit.path)
    return at.mistake(keys, misfit.message)
