"""dlcli features"""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dlcli.cli.inputs import Split, inputs_options, sources
from dlcli.cli.options import checkpoint_option, examples, run_argument, threads_option
from dlcli.cli.output import print_line, write_npz
from dlcli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dlcli.data.pipeline import BatchSource
    from dlcli.layers.base import Array
    from dlcli.trained import Trained


@click.command(
    epilog=examples(
        "dlcli features runs/mnist-sae t10k-images-idx3-ubyte.gz --layer hidden1",
        "dlcli features runs/mnist-sae --split train --output features.npz",
        "dlcli features runs/iris - < flowers.csv | jq -c .features",
    )
)
@run_argument
@inputs_options
@click.option("--layer", metavar="NAME", help="Whose output; by default the last hidden layer's.")
@click.option(
    "--output", type=click.Path(path_type=Path), metavar="FILE.npz",
    help="Write an NPZ file with `features` and, with --split, `labels`.",
)  # fmt: skip
@checkpoint_option
@threads_option
def command(
    run: Path, files: tuple[str, ...], split: Split | None, layer: str | None, output: Path | None,
    checkpoint: str | None,
) -> None:  # fmt: skip
    """Print a layer's output for each input.

    A line of JSON each, with `index` and `features`, in order and as soon as the input arrives; or all of them in
    an NPZ file. RUN is a run directory or a checkpoint file. Inputs are read as `dlcli predict` reads them, from
    files or standard input, unless --split takes them from the run's own data.
    """
    if output is not None and output.suffix.lower() != ".npz":
        raise UsageError(f"--output {output}: expected a name that ends in .npz")
    from dlcli.models.features import features
    from dlcli.trained import json_numbers, open_run

    trained = open_run(run, checkpoint)
    if output is not None:
        write_npz(output, _arrays(trained, sources(trained, files, split), layer, labelled=split is not None))
        click.echo(output)
        return
    index = 0
    for batch in features(trained, sources(trained, files, split), layer):
        for row in batch:
            print_line({"index": index, "features": json_numbers(row)})
            index += 1


def _arrays(
    trained: "Trained", found: "Iterator[BatchSource]", layer: str | None, *, labelled: bool
) -> "dict[str, Array]":
    """All features (N, …), and the labels (N,) as the data have them, or the targets of a regression."""
    import numpy as np

    from dlcli.models.features import chosen_layer, features

    targets: list[Array] = []

    def passed() -> "Iterator[BatchSource]":
        for source in found:
            targets.append(source.y)
            yield source

    batches = list(features(trained, passed(), layer))
    empty = np.empty((0, *chosen_layer(trained, layer).shape), np.float32)
    arrays = {"features": np.concatenate(batches or [empty])}
    if not labelled:
        return arrays
    y = np.concatenate(targets)
    return arrays | ({"labels": np.array(trained.classes)[y]} if trained.classes else {"targets": y})
