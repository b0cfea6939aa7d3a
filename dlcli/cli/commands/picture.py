"""dlcli picture"""

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click
from click.core import ParameterSource

from dlcli.cli.inputs import Split
from dlcli.cli.options import (
    MOST_STEPS,
    checkpoint_option,
    examples,
    label_option,
    run_argument,
    start_option,
    threads_option,
)
from dlcli.errors import UsageError

if TYPE_CHECKING:
    from dlcli.report.sheet import Sheet
    from dlcli.trained import Trained

COUNTS = {"weights": 100, "reconstructions": 20, "samples": 10}
COLUMNS = 10
OWN = {  # options of one kind of picture alone
    "pretrained": "weights",
    "split": "reconstructions",
    "steps": "samples",
    "seed": "samples",
    "label": "samples",
    "start": "samples",
}


@click.command(
    epilog=examples(
        "dlcli picture runs/mnist-sae",
        "dlcli picture runs/mnist-dbm --pretrained",
        "dlcli picture runs/mnist-sae reconstructions --layer hidden1 --split test",
        "dlcli picture runs/mnist-dbn samples --count 8 --columns 20 --steps 50 --output digits.png",
    )
)
@run_argument
@click.argument("what", default="weights", type=click.Choice(["weights", "reconstructions", "samples"]))
@click.option(
    "--layer", metavar="NAME",
    help="Whose weights, by default the first layer's; or up to which layer, by default the last pretrained one.",
)  # fmt: skip
@click.option(
    "--pretrained", is_flag=True,
    help="Show the weights that pretraining has kept; by default those that the network has now.",
)  # fmt: skip
@click.option(
    "--count", type=click.IntRange(1, 10_000), metavar="N",
    help="How many units (100), inputs (20) or chains (10).",
)  # fmt: skip
@click.option(
    "--columns", type=click.IntRange(1, 1000), default=COLUMNS, show_default=True, metavar="N", help="Tiles in a row."
)
@click.option(
    "--split", type=click.Choice(["train", "validation", "test"]),
    help="Which part of the data is reconstructed; by default the test set, else the validation set.",
)  # fmt: skip
@click.option(
    "--steps", type=click.IntRange(1, MOST_STEPS), default=100, show_default=True, metavar="N",
    help="Gibbs steps from one sample of a chain to the next.",
)  # fmt: skip
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, metavar="N", help="Seed of the chains.")
@label_option
@start_option
@click.option(
    "--output", type=click.Path(path_type=Path), metavar="FILE.png",
    help="By default weights.png, reconstructions.png or samples.png in the run's directory.",
)  # fmt: skip
@checkpoint_option
@threads_option
def command(
    run: Path, what: Literal["weights", "reconstructions", "samples"], layer: str | None, pretrained: bool,
    count: int | None, columns: int, split: Split | None, steps: int, seed: int, label: str | None,
    start: Literal["noise", "data"], output: Path | None, checkpoint: str | None,
) -> None:  # fmt: skip
    """Draw what a network has learned as tiles in a PNG file.

    Weights of the first layer, an image for each unit; or reconstructions, each below its original; or samples, a row
    for each chain, from its start to the right. A legend says what the grey levels mean.

    Weights are the network's present ones unless --pretrained asks for those of the RBM, Boltzmann machine or encoder
    that pretraining has left (of a layer trained by up-down, those for generation). A deep Boltzmann machine's become
    the network's as supervised training begins. Of a layer that takes a posterior's means beside the samples
    (`mean_field`), the part that looks at the samples is shown.
    """
    _check_options(what)
    if output is not None and output.suffix.lower() != ".png":
        raise UsageError(f"--output {output}: expected a name that ends in .png")
    from dlcli.trained import open_run
    from dlcli.training.checkpoint import replace_file

    trained = open_run(run, checkpoint)
    count = count or COUNTS[what]
    match what:
        case "weights":
            sheet = _weights(trained, layer, pretrained, count, columns)
        case "reconstructions":
            sheet = _reconstructions(trained, layer, count, columns, split)
        case "samples":
            sheet = _samples(trained, layer, count, columns, steps, seed, label, start)
    path = output or (run if run.is_dir() else run.parent) / f"{what}.png"
    replace_file(path, sheet.draw())
    click.echo(path)


def _check_options(what: str) -> None:
    """Raise UsageError where an option is given that is of another kind of picture."""
    context = click.get_current_context()
    for option, kind in OWN.items():
        if kind != what and context.get_parameter_source(option) is not ParameterSource.DEFAULT:
            raise click.UsageError(f"--{option} is for pictures of {kind}; found it with {what}")


def _weights(trained: "Trained", layer: str | None, pretrained: bool, count: int, columns: int) -> "Sheet":
    from dlcli.models.images import weight_images
    from dlcli.report.sheet import Sheet

    name, images = weight_images(trained, layer, pretrained=pretrained)
    shown = images[:count]
    which = f"{len(images)} units" if len(shown) == len(images) else f"units 1 to {len(shown)} of {len(images)}"
    return Sheet(
        f"{trained.experiment.name}: {'pretrained ' if pretrained else ''}weights of {name}, {which}", shown, columns
    )


def _reconstructions(trained: "Trained", layer: str | None, count: int, columns: int, split: Split | None) -> "Sheet":
    import numpy as np

    from dlcli.models.images import image_shape
    from dlcli.models.reconstruction import reconstructor, squared_errors
    from dlcli.report.sheet import Sheet, pairs
    from dlcli.trained import own_data

    shape = image_shape(trained)
    found = reconstructor(trained, layer)
    split, source = own_data(trained, split)
    batches = list(islice(found.pairs([source]), 1 + count // 100))
    originals, made = (np.concatenate([batch[side] for batch in batches])[:count] for side in (0, 1))
    error = squared_errors(originals, made).mean()
    images, groups = pairs(originals.reshape(-1, *shape), made.reshape(-1, *shape), min(columns, len(made)))
    title = f"{trained.experiment.name}: samples of the {split} set, and below each its reconstruction"
    title += f" (mean squared error {error:.4g}, summed over pixels)"
    return Sheet(title, images, min(columns, len(made)), groups, "pair")


def _samples(
    trained: "Trained", layer: str | None, count: int, columns: int, steps: int, seed: int, label: str | None,
    start: str,
) -> "Sheet":  # fmt: skip
    import numpy as np

    from dlcli.models.generation import generative
    from dlcli.models.generative import label_of, samples_of
    from dlcli.models.images import image_shape
    from dlcli.report.sheet import Sheet
    from dlcli.trained import own_data

    shape = image_shape(trained)
    model = generative(trained, layer)
    clamped = label_of(model, trained.classes, label)
    first, where = None, "a random start"
    if start == "data":
        split, source = own_data(trained)
        first, where = samples_of(source, count, seed, clamped), f"samples of the {split} set"
    chains = model.chains(count, seed, clamped, first)
    states = np.stack(list(islice(chains, steps - 1, steps * columns, steps)), axis=1)
    title = f"{trained.experiment.name}: {count} chains, a row each, every {steps:,} Gibbs steps from {where}"
    groups = np.repeat(np.arange(count), columns)
    return Sheet(title, states.reshape(-1, *shape), columns, groups, "chain")
