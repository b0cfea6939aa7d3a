"""dlcli predict"""

from pathlib import Path

import click

from dlcli.cli.inputs import files_argument, raw_batches
from dlcli.cli.options import checkpoint_option, crops_option, examples, run_argument, threads_option
from dlcli.cli.output import print_line


@click.command(
    epilog=examples(
        "dlcli predict runs/iris flowers.csv",
        "dlcli predict runs/iris - < flowers.csv | jq .label",
        "dlcli predict runs/mnist-lenet t10k-images-idx3-ubyte.gz",
        "echo '[5.1, 3.5, 1.4, 0.2]' | dlcli predict runs/iris",
    )
)
@run_argument
@files_argument
@checkpoint_option
@crops_option
@threads_option
def command(run: Path, files: tuple[str, ...], checkpoint: str | None, crops: str | None) -> None:
    """Print a line of JSON for each input.

    In order, and as soon as the input arrives. RUN is a run directory or a checkpoint file; no config is
    needed. Inputs are CSV rows, lines with a JSON array each, IDX (.gz too) or NPZ, raw as the training data
    were: the transforms are the checkpoint's. Without FILE, or with `-`, standard input is read.
    """
    from dlcli.trained import open_run, predict

    trained = open_run(run, checkpoint).with_crops(int(crops) if crops else None)
    # One generator over all files, so that the index runs on.
    for result in predict(trained, raw_batches(trained, files)):
        print_line(result)
