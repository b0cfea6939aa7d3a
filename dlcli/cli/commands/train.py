"""dlcli train"""

from typing import Any

import click

from dlcli.cli.options import examples
from dlcli.cli.training import train, training_options


@click.command(
    epilog=examples(
        "dlcli train mnist_lenet.yaml",
        "dlcli train mnist_lenet.yaml --set sgd.learning_rate=0.02 --out runs/faster",
        "dlcli train mnist_lenet.yaml --resume --set training.epochs=30",
        "dlcli train mnist_lenet.yaml --quiet --json | jq .test_error",
    )
)
@training_options
def command(**arguments: Any) -> None:
    """Train a network, after its pretraining if it has any.

    Writes a run directory: the resolved config, metrics.jsonl, checkpoints and a log. INT and TERM save a
    checkpoint and stop; HUP and USR1 save one and go on.
    """
    train("all", **arguments)
