"""dlcli pretrain"""

from typing import Any

import click

from dlcli.cli.options import examples
from dlcli.cli.training import train, training_options


@click.command(
    epilog=examples(
        "dlcli pretrain mnist_sae.yaml --out runs/pretrained",
        "dlcli train mnist_sae.yaml --init runs/pretrained",
    )
)
@training_options
def command(**arguments: Any) -> None:
    """Do the layer-wise pretraining alone.

    `dlcli train CONFIG --init RUN` goes on from there, and ends with the same bits as `dlcli train CONFIG`.
    """
    train("pretrain", **arguments)
