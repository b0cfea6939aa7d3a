"""dlcli likelihood"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import click

from dlcli.cli.failures import tell
from dlcli.cli.options import checkpoint_option, examples, json_option, run_argument, threads_option
from dlcli.cli.output import print_json
from dlcli.errors import UsageError


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
    "--chains", type=click.IntRange(2), default=100, show_default=True, metavar="N",
    help="Chains of the estimate, where both sides have more than 20 units.",
)  # fmt: skip
@click.option(
    "--steps", type=click.IntRange(1), default=5000, show_default=True, metavar="N",
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
    """Measure the likelihood that an RBM or a DBM gives to the data.

    Shows the mean log-likelihood of a sample, in nats; of a deep Boltzmann machine, the bound below it that mean field
    gives. It is exact where a side of the machine has at most 20 units; else the partition function is estimated by
    annealed importance sampling, and the range of ±3 standard errors is shown too. Inputs between 0 and 1 count as
    they are. RUN is a run directory or a checkpoint file, for RBMs best that of `dlcli pretrain`: supervised training
    changes their weights.
    """
    from dlcli.pretrain.boltzmann import deep_likelihood, likelihood
    from dlcli.trained import open_run, own_data

    trained = open_run(run, checkpoint)
    found_split, source = own_data(trained, split)
    annealing = likelihood.Annealing(chains, steps, trained.experiment.seed)
    network, models, stage = trained.network, trained.models, trained.record["progress"]["stage"]
    deep = deep_likelihood.machine_of(network, models)
    if deep is None:
        node = likelihood.chosen_layer(network, models, layer)
        seen = likelihood.Seen.of(node, network, own_data(trained, "train")[1])
        of = likelihood.parameters_of(node, network, models, trained.experiment.pretrain, seen)
        found = likelihood.measure(of, node, network, seen, source, annealing)
        if stage == "supervised":
            tell(f"note: {trained.path} is of supervised training, which has changed the RBM's weights")
    else:
        (first, *_, node), dbm = deep
        if layer not in (None, node.name):
            raise UsageError(f"found layer {layer}, expected {node.name}: a deep Boltzmann machine is one whole")
        found = deep_likelihood.measure_bound(dbm, first, network, source, annealing)
    exact = found.effective_chains is None
    result = {
        "layer": node.name,
        "stage": stage,
        "split": found_split,
        "samples": len(source),
        "log_likelihood": found.log_likelihood,
        "bound": deep is not None,
        "exact": exact,
        "interval": None if exact else [found.low, found.high],
        "log_partition": found.log_partition,
        "chains": None if exact else chains,
        "steps": None if exact else steps,
        "effective_chains": found.effective_chains,
    }
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
