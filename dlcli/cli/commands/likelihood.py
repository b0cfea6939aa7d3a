"""dlcli likelihood"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import click

from dlcli.cli.failures import tell
from dlcli.cli.options import checkpoint_option, examples, json_option, run_argument, threads_option
from dlcli.cli.output import print_json

FEW = 10  # effective chains, below which the estimate is not to be trusted


@click.command(
    epilog=examples(
        "dlcli likelihood runs/mnist-rbm",
        "dlcli likelihood runs/mnist-dbn --layer hidden2 --split validation --steps 14500",
        "dlcli likelihood runs/mnist-rbm --json | jq .log_likelihood",
    )
)
@run_argument
@checkpoint_option
@click.option(
    "--layer",
    metavar="NAME",
    help="Whose RBM; by default the first that pretraining has left. A DBM is found by itself.",
)
@click.option(
    "--split", type=click.Choice(["train", "validation", "test"]),
    help="Which part of the data; by default the test set, else the validation set.",
)  # fmt: skip
@click.option(
    "--chains", type=click.IntRange(2, 1_000_000), default=100, show_default=True, metavar="N",
    help="Chains of the estimate, where both sides have more than 20 units.",
)  # fmt: skip
@click.option(
    "--steps", type=click.IntRange(1, 10_000_000), default=5000, show_default=True, metavar="N",
    help="Steps of each chain: the more, the smaller the estimate's error.",
)  # fmt: skip
@threads_option
@json_option
def command(
    run: Path,
    checkpoint: str | None,
    layer: str | None,
    split: Literal["train", "validation", "test"] | None,
    chains: int,
    steps: int,
    as_json: bool,
) -> None:
    """Measure how likely the data are to a Boltzmann machine.

    Shows the mean log-likelihood of a sample, in nats; of a deep machine, the bound below it that mean field gives. It
    is exact where a side of the machine has at most 20 units; else the partition function is estimated by annealed
    importance sampling, and the range of ±3 standard errors is shown too. A general machine may have 20 units in all.
    Inputs between 0 and 1 count as they are; classes that an RBM has learned with are summed out. The machine is that
    which pretraining has left; layers below it are as the checkpoint has them.
    """
    from dlcli.models.likelihood import likelihood
    from dlcli.trained import open_run

    trained = open_run(run, checkpoint)
    result = likelihood(trained, split, layer, chains=chains, steps=steps)
    if result["inputs_changed"]:
        tell(f"note: supervised training has changed the layers below {result['layer']}, and with them its inputs")
    if not result["exact"] and result["effective_chains"] < FEW:
        tell(f"note: {result['effective_chains']:.1f} chains decide the estimate; more --steps make it better")
    if as_json:
        print_json(result)
    else:
        click.echo(_text(result))


def _text(result: Mapping[str, Any]) -> str:
    from dlcli.report.table import table

    least = "at least " if result["bound"] else ""
    rows = [
        ["layer", result["layer"]],
        ["split", result["split"]],
        ["samples", f"{result['samples']:,}"],
        ["log-likelihood", f"{least}{result['log_likelihood']:.4f} nats a sample"],
    ]
    if not result["exact"]:
        low, high = result["interval"]
        rows.append(["within 3 errors", f"{low:.4f} to {high:.4f}"])
        rows.append(["effective chains", f"{result['effective_chains']:.1f} of {result['chains']}"])
    rows.append(["log Z", f"{result['log_partition']:.4f}" + (", exact" if result["exact"] else ", estimated")])
    return table(rows, left=2)
