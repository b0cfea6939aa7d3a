"""The one place where an exception becomes a message on stderr and an exit code."""

import contextlib
import difflib
import os
import sys
import traceback
from collections.abc import Callable, Iterable
from typing import TextIO

import click

from dlcli.errors import ConfigError, DlcliError, Exit

DEBUG = "DLCLI_DEBUG"  # set it to see the traceback of a defect
STOPPED = (Exit.INTERRUPTED, Exit.TERMINATED)


def exit_code(command: Callable[[], object]) -> int:
    """Run a command; whatever it raises is told to the user. The process may exit with the code at once."""
    code = int(Exit.DONE)
    try:
        try:
            command()
        except click.exceptions.Exit as request:
            code = request.exit_code
        sys.stdout.flush()
    except (Exception, KeyboardInterrupt) as failure:
        code = _tell(failure)
    for stream in (sys.stdout, sys.stderr):
        _let_go(stream)
    return code


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A suggestion to end a message with; empty where nothing is close."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def open_closed_descriptors() -> None:
    """Open /dev/null where a standard stream was closed, so that no data file takes its number."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):  # in the order of their numbers
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, os.O_RDWR)  # the lowest free number, which is the stream's own
            setattr(sys, name, os.fdopen(descriptor, mode))


def _tell(failure: BaseException) -> int:
    """Print what the user should read, and return the exit code."""
    match failure:
        case click.exceptions.NoArgsIsHelpError():
            tell(failure.format_message())
            return Exit.USAGE
        case click.ClickException():
            _error(failure.format_message())
            context = getattr(failure, "ctx", None)
            if context is not None:
                tell(f"Try '{context.command_path} --help'.")
            return Exit.USAGE
        case ConfigError():
            for mistake in failure.mistakes:
                _error(str(mistake))
            return failure.exit_code
        case DlcliError() if failure.exit_code in STOPPED:
            tell(str(failure))
            return failure.exit_code
        case DlcliError():
            _error(str(failure))
            return failure.exit_code
        case KeyboardInterrupt() | click.Abort():
            tell("interrupted")
            return Exit.INTERRUPTED
        case BrokenPipeError():
            return Exit.CLOSED_PIPE
        case MemoryError():
            _error(f"out of memory: {failure}" if str(failure) else "out of memory")
            return Exit.ENVIRONMENT
        case OSError():
            place = f"{failure.filename}: " if failure.filename is not None else "cannot write the output: "
            _error(f"{place}{failure.strerror or failure}")
            return Exit.ENVIRONMENT
    return _tell_defect(failure)


def _tell_defect(failure: BaseException) -> int:
    if os.environ.get(DEBUG):
        tell("".join(traceback.format_exception(failure)))
    _error(f"a defect in dlcli, please report it: {type(failure).__name__}: {failure}")
    if not os.environ.get(DEBUG):
        tell(f"{DEBUG}=1 shows where it happened.")
    return Exit.DEFECT


def _error(text: str) -> None:
    tell(click.style("error:", fg="red", bold=True) + f" {text}")


def tell(text: str) -> None:
    """Print to stderr, which may be gone; colours are left out unless it is a terminal that wants them."""
    with contextlib.suppress(OSError, ValueError):
        click.echo(text, err=True, color=False if os.environ.get("NO_COLOR") else None)


def _let_go(stream: TextIO) -> None:
    """Flush; a stream that can't take the rest is pointed elsewhere, or Python would complain as it exits."""
    try:
        stream.flush()
    except (OSError, ValueError):
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
