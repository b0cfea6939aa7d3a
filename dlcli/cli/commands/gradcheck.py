"""dlcli gradcheck"""

from dataclasses import asdict

import click

from dlcli.cli.options import examples, experiment_options, json_option, threads_option
from dlcli.cli.output import print_json
from dlcli.errors import Exit

SAMPLES = 5  # few, since each compared component costs eight forward passes


@click.command(epilog=examples("dlcli gradcheck mnist_mlp.yaml", "dlcli gradcheck mnist_mlp.yaml --json | jq .passed"))
@experiment_options
@click.option(
    "--components",
    type=click.IntRange(1),
    metavar="N",
    default=12,
    show_default=True,
    help="How many components of each array to check; each costs some fifteen forward passes.",
)
@threads_option
@json_option
def command(config: str, overrides: tuple[str, ...], seed: int | None, components: int, as_json: bool) -> None:
    """Compare a network's gradients with numerical ones.

    Checks some components of every parameter of CONFIG's network and of its input, in float64, at the initial
    parameters and on a few training samples. Exits with 1 where they differ.
    """
    from dlcli.cli.experiments import experiment_of
    from dlcli.data.pipeline import prepare
    from dlcli.training.gradcheck import gradcheck
    from dlcli.wiring import build_graph

    with experiment_of(config, overrides, seed) as experiment:
        data = prepare(experiment.data)
        graph = build_graph(experiment, data)
        batch = next(data.train.iterate(min(SAMPLES, len(data.train)), dtype="float64"))
        assert batch.y is not None, "training data have targets"  # noqa: S101
        main, *auxiliary = experiment.heads
        checked = gradcheck(
            graph, main, batch.x, batch.y, seed=experiment.seed, samples=components, auxiliary=auxiliary
        )
        results = list(checked)
    passed = all(result.passed for result in results)
    if as_json:
        arrays = [asdict(result) | {"passed": result.passed} for result in results]
        print_json({"passed": passed, "arrays": arrays})
    else:
        from dlcli.report.table import table

        rows = [
            [r.name, "passed" if r.passed else "FAILED", f"{r.error:.1e}", str(r.checked), str(r.kinks)]
            for r in results
        ]
        click.echo(table(rows, ["gradient by", "", "largest error", "checked", "kinks"], left=2))
    if not passed:
        raise click.exceptions.Exit(Exit.DEFECT)
