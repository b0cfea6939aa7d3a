"""dlcli check"""

from typing import Any

import click

from dlcli.cli.options import examples, experiment_options, json_option
from dlcli.cli.output import print_json
from dlcli.errors import ConfigError, DlcliError


@click.command(
    epilog=examples(
        "dlcli check mnist_lenet.yaml",
        "dlcli check mnist_lenet.yaml --set data.batch_size=0",
        "dlcli check mnist_lenet.yaml --json | jq '.errors[].message'",
    )
)
@experiment_options
@json_option
def command(config: str, overrides: tuple[str, ...], seed: int | None, as_json: bool) -> None:
    """Find everything that is wrong with a config.

    Looks at the file, its data and the shapes of its layers; all mistakes of the file are shown at once.
    Trains nothing and writes nothing.
    """
    from dlcli.cli.experiments import experiment_of
    from dlcli.data.pipeline import prepare
    from dlcli.wiring import build_graph

    try:
        with experiment_of(config, overrides, seed) as experiment:
            data = prepare(experiment.data)
            graph = build_graph(experiment, data)
    except DlcliError as error:
        if not as_json:
            raise
        print_json({"ok": False, "errors": _errors(error, config)})
        raise click.exceptions.Exit(error.exit_code) from error
    if as_json:
        print_json({"ok": True, "errors": []})
    else:
        click.echo(
            f"{config}: fine (training samples {len(data.train):,}, layers {len(graph.nodes)}, "
            f"parameters {graph.parameter_count:,})"
        )


def _errors(error: DlcliError, config: str) -> list[dict[str, Any]]:
    if isinstance(error, ConfigError):
        return [
            {"file": m.file, "line": m.line, "column": m.column, "key": m.key, "message": m.message}
            for m in error.mistakes
        ]
    return [{"file": config, "line": None, "column": None, "key": None, "message": str(error)}]
