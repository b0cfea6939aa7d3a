"""dlcli sample"""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from dlcli.cli.options import (
    MOST_STEPS,
    checkpoint_option,
    examples,
    label_option,
    run_argument,
    start_option,
    threads_option,
)
from dlcli.cli.output import print_line, write_npz
from dlcli.errors import UsageError

if TYPE_CHECKING:
    from dlcli.layers.base import Array
    from dlcli.trained import Trained

SUFFIXES = (".png", ".npz")
MOST_SAMPLES = 10_000_000


@click.command(
    epilog=examples(
        "dlcli sample runs/mnist-dbn --output digits.png",
        "dlcli sample runs/mnist-dbn --count 1000 --steps 200 --output digits.npz",
        "dlcli sample runs/mnist-dbn-labels --label 7 --seed 2",
        "dlcli sample runs/mnist-dbn-labels --label each --start data --output digits.png",
    )
)
@run_argument
@click.option(
    "--count", type=click.IntRange(1, MOST_SAMPLES), default=20, show_default=True, metavar="N",
    help="How many samples.",
)  # fmt: skip
@click.option(
    "--steps", type=click.IntRange(1, MOST_STEPS), default=200, show_default=True, metavar="N",
    help="Gibbs steps from the start of each sample's chain.",
)  # fmt: skip
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, metavar="N", help="Seed of the chains.")
@label_option
@start_option
@click.option("--layer", metavar="NAME", help="The uppermost layer; by default the last of the generative model.")
@click.option(
    "--output", type=click.Path(path_type=Path), metavar="FILE.png|FILE.npz",
    help="Write a picture, or an NPZ file with `samples`, instead.",
)  # fmt: skip
@checkpoint_option
@threads_option
def command(
    run: Path, count: int, steps: int, seed: int, label: str | None, start: Literal["noise", "data"], layer: str | None,
    output: Path | None, checkpoint: str | None,
) -> None:  # fmt: skip
    """Draw samples from an RBM, a DBN or a DBM.

    A line of JSON each, with `index` and `sample`, the means of the visible units at the end of a Gibbs chain of its
    own. The model is what pretraining has left: an RBM, a deep belief network, whose labels may be clamped if it has
    any, a deep or a general Boltzmann machine.
    """
    if output is not None and output.suffix.lower() not in SUFFIXES:
        raise UsageError(f"--output {output}: expected a name that ends in {' or '.join(SUFFIXES)}")
    from dlcli.models.generation import generative
    from dlcli.models.generative import after, label_of, samples_of
    from dlcli.trained import json_numbers, open_run, own_data

    trained = open_run(run, checkpoint)
    model = generative(trained, layer)
    clamped = label_of(model, trained.classes, label)
    first = samples_of(own_data(trained)[1], count, seed, clamped) if start == "data" else None
    samples = after(model, steps, count, seed, clamped, first)
    if output is None:
        for index, sample in enumerate(samples):
            print_line({"index": index, "sample": json_numbers(sample)})
        return
    if output.suffix.lower() == ".npz":
        write_npz(output, {"samples": samples})
    else:
        _draw(output, trained, samples, f"after {steps:,} Gibbs steps")
    click.echo(output)


def _draw(output: Path, trained: "Trained", samples: "Array", when: str) -> None:
    import numpy as np

    from dlcli.models.images import image_shape
    from dlcli.report.sheet import Sheet
    from dlcli.training.checkpoint import replace_file

    images = samples.reshape(-1, *image_shape(trained))
    title = f"{trained.experiment.name}: {len(images)} samples, {when} (means of the visible units)"
    replace_file(output, Sheet(title, images, min(len(images), 10), np.arange(len(images))).draw())
