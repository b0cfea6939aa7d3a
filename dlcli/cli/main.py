"""The `dlcli` command: finds the commands, one module each, and imports only the one that is chosen."""

import gc
import importlib
import os
import pkgutil
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click
from click.shell_completion import shell_complete

import dlcli
from dlcli import cache
from dlcli.cli import commands, failures
from dlcli.cli.options import examples

COMPLETION = "_DLCLI_COMPLETE"  # set by a shell's completion script; holds what is asked


class CommandLine(click.Group):
    """A group whose commands are the modules of `dlcli.cli.commands`, each with a ``command``."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(module.name for module in pkgutil.iter_modules(commands.__path__))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        command: click.Command = importlib.import_module(f"{commands.__name__}.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        known = self.list_commands(ctx)
        if args[0] not in known and not args[0].startswith("-") and not ctx.resilient_parsing:
            ctx.fail(f"there is no command {args[0]!r}{failures.did_you_mean(args[0], known)}")
        return super().resolve_command(ctx, args)

    def main(self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any) -> NoReturn:  # type: ignore[override]
        """Run a command line (by default the process's own) and exit with its code."""
        if instruction := os.environ.get(COMPLETION):
            sys.exit(shell_complete(self, {}, "dlcli", COMPLETION, instruction))
        arguments = list(sys.argv[1:] if args is None else args)
        extra.pop("standalone_mode", None)
        if os.environ.get("NO_COLOR"):
            extra["color"] = False

        def run() -> None:
            cache.announce(failures.tell)
            with self.make_context("dlcli", arguments, **extra) as context:
                self.invoke(context)

        sys.exit(failures.exit_code(run))


@click.group(
    cls=CommandLine,
    name="dlcli",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog=examples(
        "dlcli init mnist_lenet && dlcli train mnist_lenet.yaml",
        "dlcli evaluate runs/mnist-lenet",
        "dlcli predict runs/mnist-lenet - < digits.csv",
        'eval "$(_DLCLI_COMPLETE=bash_source dlcli)"      # completion; zsh_source and fish_source too',
    ),
)
@click.version_option(dlcli.__version__, prog_name="dlcli")
def command_line() -> None:
    """Train deep networks from one YAML file, on a CPU, the same bits every time."""


def main() -> NoReturn:
    """The entry point of the installed command."""
    gc.set_threshold(50_000, 20, 20)  # imports make many objects and little garbage: looking for it delays the start
    failures.open_closed_descriptors()
    command_line.main()
