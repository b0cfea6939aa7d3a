"""What commands are given to pass through a trained network: files, standard input, or a part of the run's own data."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

import click

from dlcli.cli.options import together
from dlcli.errors import UsageError

if TYPE_CHECKING:
    from dlcli.data.pipeline import BatchSource
    from dlcli.layers.base import Array
    from dlcli.trained import Trained

Split = Literal["train", "validation", "test"]

files_argument = click.argument("files", nargs=-1, type=click.Path(allow_dash=True), metavar="[FILE…|-]")
inputs_options = together(
    files_argument,
    click.option(
        "--split", type=click.Choice(["train", "validation", "test"]),
        help="Take this part of the run's own data, instead of files.",
    ),
)  # fmt: skip


def raw_batches(trained: "Trained", files: tuple[str, ...]) -> "Iterator[Array]":
    """Raw samples (n, …) of all files, or of standard input, as they arrive."""
    from dlcli.data.streams import open_stream

    source = trained.experiment.data.source
    label, delimiter = getattr(source, "label", None), getattr(source, "delimiter", ",")
    for file in files or ("-",):
        yield from open_stream(file, trained.raw_shape, label=label, delimiter=delimiter)


def sources(trained: "Trained", files: tuple[str, ...], split: Split | None) -> "Iterator[BatchSource]":
    """The samples as the network takes them: of the files as they arrive, or of a split."""
    if split is None:
        yield from map(trained.source, raw_batches(trained, files))
        return
    if files:
        raise UsageError(f"found --split {split} and a file; expected one of them")
    from dlcli.trained import own_data

    yield own_data(trained, split)[1]
