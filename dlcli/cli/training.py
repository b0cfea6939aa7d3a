"""What train and pretrain share: their options, the run, and how its result is shown."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import click

from dlcli.cli.options import (
    experiment_options,
    json_option,
    overwrite_option,
    quiet_option,
    threads_option,
    together,
)
from dlcli.cli.output import print_json

training_options = together(
    experiment_options,
    click.option(
        "--out", type=click.Path(path_type=Path), metavar="DIR",
        help="The run directory; by default the config's output.directory/name.",
    ),
    click.option("--resume", is_flag=True, help="Go on with the run where its last checkpoint left it."),
    overwrite_option,
    click.option(
        "--init", type=click.Path(path_type=Path), metavar="RUN|CHECKPOINT",
        help="Start from these parameters, taken by the layers' names; pretraining behind them is not repeated.",
    ),
    click.option(
        "--replace", "replaced", metavar="LAYER", multiple=True,
        help="With --init: a layer that starts anew, whatever the checkpoint has; * stands for anything. Repeatable.",
    ),
    threads_option,
    json_option,
    quiet_option,
)  # fmt: skip


def train(
    stages: Literal["all", "pretrain"],
    config: str,
    overrides: tuple[str, ...],
    seed: int | None,
    out: Path | None,
    resume: bool,
    overwrite: bool,
    init: Path | None,
    replaced: tuple[str, ...],
    as_json: bool,
    quiet: bool,
) -> None:
    """Run the stages of a config, with progress on stderr and the result on stdout."""
    if resume and (overwrite or init):
        other = "--overwrite" if overwrite else "--init"
        raise click.UsageError(f"--resume goes on with a run and {other} begins one anew; give one of them")
    if replaced and not init:
        raise click.UsageError("--replace says what --init is not to take; give it with --init")
    from dlcli import cache, wiring
    from dlcli.cli.experiments import experiment_of
    from dlcli.report.progress import reporter

    with experiment_of(config, overrides, seed) as experiment, reporter(quiet) as progress:
        cache.announce(progress.message)
        summary = wiring.run(
            experiment,
            directory=out or Path(experiment.output.directory) / experiment.name,
            reporter=progress,
            stages=stages,
            resume=resume,
            overwrite=overwrite,
            init=init,
            replaced=replaced,
        )
    if as_json:
        print_json(summary)
    else:
        click.echo(_text(summary))


def _text(summary: Mapping[str, Any]) -> str:
    from dlcli.report.table import number, percent, table

    rows = [["epochs", str(summary["epochs"])]]
    for key, shown in (
        ("train_loss", number),
        ("train_error", percent),
        ("validation_loss", number),
        ("validation_error", percent),
        ("test_error", percent),
        ("test_loss", number),
    ):
        if summary.get(key) is not None:
            rows.append([key.replace("_", " "), shown(summary[key])])
    rows += [["seconds", f"{summary['seconds']:.1f}"], ["run", summary["run"]]]
    return table(rows, left=2)
