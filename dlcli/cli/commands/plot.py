"""dlcli plot"""

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dlcli.cli.options import examples, json_option
from dlcli.cli.output import print_json
from dlcli.errors import EnvironmentFailure, UsageError

if TYPE_CHECKING:
    from dlcli.report.panels import Panel

SUFFIXES = (".png", ".svg", ".pdf")
HINT = "drawing needs matplotlib: pip install 'dlcli[plots]'"


@click.command(
    epilog=examples(
        "dlcli plot runs/mnist-lenet",
        "dlcli plot runs/random runs/pretrained --output compared.svg",
        "dlcli plot runs/mnist-lenet --json | jq '.runs[0].rows[].train_loss'",
    )
)
@click.argument("runs", metavar="RUN…", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--output", type=click.Path(path_type=Path), metavar="FILE",
    help="A PNG, SVG or PDF file; by default curves.png in the first run's directory.",
)  # fmt: skip
@json_option
def command(runs: tuple[Path, ...], output: Path | None, as_json: bool) -> None:
    """Draw the learning curves of one or more runs.

    A column for each run: losses, errors, pretraining, and with `training.diagnostics` the gradients, weights
    and activities of each layer. Without matplotlib the curves are printed as tables.
    """
    if output is not None and output.suffix.lower() not in SUFFIXES:
        raise UsageError(f"--output {output}: expected a name that ends in {', '.join(SUFFIXES)}")
    from dlcli.report.panels import panels
    from dlcli.training.run_directory import read_rows

    rows = {str(run): read_rows(run) for run in runs}
    if as_json:
        print_json({"runs": [{"run": run, "rows": found} for run, found in rows.items()]})
        if output is None:
            return
    curves = {run: panels(found) for run, found in rows.items()}
    if not any(curves.values()):
        raise UsageError(f"{', '.join(rows)}: there is no finished epoch to show yet")
    if importlib.util.find_spec("matplotlib") is None:
        if output is not None:
            raise EnvironmentFailure(f"{output}: not drawn: {HINT}")
        _print_tables(curves)
        click.echo(HINT, err=True)
        return
    from dlcli.report.curves import draw

    path = output or runs[0] / "curves.png"
    draw(curves, path)
    if not as_json:
        click.echo(path)


def _print_tables(curves: "dict[str, list[Panel]]") -> None:
    from dlcli.report.panels import panel_table

    for run, found in curves.items():
        click.echo("\n\n".join([run, *map(panel_table, found)]) + "\n")
