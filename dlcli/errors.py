"""The failures dlcli promises to report: one exception per exit code, a message instead of a traceback."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of every command."""

    DONE = 0
    DEFECT = 1  # a defect in dlcli, or a failed gradcheck
    USAGE = 2  # usage or config
    DATA = 3
    CHECKPOINT = 4
    ENVIRONMENT = 5  # disk, memory, lock, permission
    DIVERGED = 6  # NaN or infinity
    INTERRUPTED = 130  # stopped by SIGINT after a checkpoint
    TERMINATED = 143  # stopped by SIGTERM after a checkpoint
    CLOSED_PIPE = 141


class DlcliError(Exception):
    """A failure with a promised exit code; its text is what the user reads."""

    exit_code: Exit = Exit.DEFECT


class DataError(DlcliError):
    """A data file is missing, malformed or does not fit (exit 3)."""

    exit_code = Exit.DATA


class CheckpointError(DlcliError):
    """A checkpoint is damaged, missing or belongs to something else (exit 4)."""

    exit_code = Exit.CHECKPOINT


class EnvironmentFailure(DlcliError):
    """The machine refuses: disk, memory, lock or permission (exit 5)."""

    exit_code = Exit.ENVIRONMENT


class Diverged(DlcliError):
    """A loss or a parameter is no longer finite (exit 6)."""

    exit_code = Exit.DIVERGED


@dataclass(frozen=True)
class Mistake:
    """One mistake in a config file; lines and columns count from 1; ``key`` is empty where it is the whole file's."""

    file: str
    line: int
    column: int
    key: str
    message: str

    def __str__(self) -> str:
        key = f"{self.key}: " if self.key else ""
        return f"{self.file}:{self.line}:{self.column}: {key}{self.message}"


class ConfigError(DlcliError):
    """All the mistakes of one config, found in one go (exit 2)."""

    exit_code = Exit.USAGE

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join(str(mistake) for mistake in self.mistakes))


class UsageError(DlcliError):
    """A command is used in a way that cannot work (exit 2)."""

    exit_code = Exit.USAGE


class MisfitError(DlcliError):
    """Two parts of a config that are well-formed alone do not fit together (exit 2).

    Raised below `config` (shapes that don't fit, losses without a target), where no line numbers are known;
    `config` turns it into a `Mistake` at `path`.

    Parameters
    ----------
    path: keys and list indices from the top of the config to the culprit, e.g. ``("network", 2, "units")``.
    message: what is wrong and what was expected.
    """

    exit_code = Exit.USAGE

    def __init__(self, path: Sequence[str | int], message: str) -> None:
        self.path = tuple(path)
        self.message = message
        super().__init__(f"{'.'.join(map(str, self.path))}: {message}")
