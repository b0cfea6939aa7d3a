"""dlcli reconstruct"""

from pathlib import Path

import click

from dlcli.cli.inputs import Split, inputs_options, sources
from dlcli.cli.options import checkpoint_option, examples, run_argument, threads_option
from dlcli.cli.output import print_line


@click.command(
    epilog=examples(
        "dlcli reconstruct runs/mnist-sae t10k-images-idx3-ubyte.gz --layer hidden1",
        "dlcli reconstruct runs/mnist-sae --split test | jq .error",
    )
)
@run_argument
@inputs_options
@click.option("--layer", metavar="NAME", help="Up to which pretrained layer, and back; by default the last one.")
@checkpoint_option
@threads_option
def command(
    run: Path, files: tuple[str, ...], split: Split | None, layer: str | None, checkpoint: str | None
) -> None:  # fmt: skip
    """Print what a model makes of each input.

    A line of JSON each: `index`, `error`, the sum of squared differences, and `reconstruction`, both of the values
    as the transforms leave them. Inputs go up through the pretrained layers and back by their mirrors (of an
    RBM: the visible units' means; after up-down: up by recognition, down by generation), all as pretraining has
    left them, whatever supervised training has made of the network; a deep or general Boltzmann machine infers its
    hidden units by mean field. A network trained to give its inputs (`data.targets: input`) reconstructs by its
    output. Inputs are read as `dlcli predict` reads them.
    """
    from dlcli.models.reconstruction import reconstructor, squared_errors
    from dlcli.trained import json_number, json_numbers, open_run

    trained = open_run(run, checkpoint)
    index = 0
    for inputs, outputs in reconstructor(trained, layer).pairs(sources(trained, files, split)):
        for error, output in zip(squared_errors(inputs, outputs), outputs, strict=True):
            print_line({"index": index, "error": json_number(error), "reconstruction": json_numbers(output)})
            index += 1
