"""dlcli init"""

import shutil
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from dlcli.cli import shipped
from dlcli.cli.failures import did_you_mean
from dlcli.cli.options import examples, overwrite_option
from dlcli.errors import UsageError
from dlcli.report.table import table


def _complete(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(name, help=shipped.title(name)) for name in shipped.names() if name.startswith(incomplete)]


@click.command(epilog=examples("dlcli init", "dlcli init mnist_lenet && dlcli train mnist_lenet.yaml"))
@click.argument("name", required=False, shell_complete=_complete)
@overwrite_option
def command(name: str | None, overwrite: bool) -> None:
    """Write a starter config to the current folder.

    The data that NAME needs and dlcli has are written beside it. Without NAME, lists the configs there are.
    """
    if name is None:
        click.echo(table([[known, shipped.title(known)] for known in shipped.names()], left=2))
        return
    name = name.removesuffix(".yaml")
    if name not in shipped.names():
        known = ", ".join(shipped.names())
        raise UsageError(f"there is no config {name!r}{did_you_mean(name, shipped.names())}; expected one of: {known}")
    sources = shipped.files(name)
    taken = [source.name for source in sources if Path(source.name).exists()]
    if taken and not overwrite:
        raise UsageError(f"{', '.join(taken)}: exists already; --overwrite replaces it")
    for source in sources:
        shutil.copyfile(source, source.name)
        click.echo(source.name)
