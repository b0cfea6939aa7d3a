"""dlcli evaluate"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import click

from dlcli.cli.options import checkpoint_option, crops_option, examples, json_option, run_argument, threads_option
from dlcli.cli.output import print_json


@click.command(
    epilog=examples(
        "dlcli evaluate runs/mnist-lenet",
        "dlcli evaluate runs/mnist-lenet --checkpoint last --split validation",
        "dlcli evaluate runs/mnist-lenet --json | jq .error",
    )
)
@run_argument
@checkpoint_option
@click.option(
    "--split", type=click.Choice(["train", "validation", "test"]),
    help="Which part of the data; by default the test set, else the validation set.",
)  # fmt: skip
@crops_option
@threads_option
@json_option
def command(
    run: Path,
    checkpoint: str | None,
    split: Literal["train", "validation", "test"] | None,
    crops: str | None,
    as_json: bool,
) -> None:
    """Measure a trained network on its test set.

    Shows loss, error, top-5 error, precision and recall of each class, and the confusion matrix. RUN is a run
    directory or a checkpoint file.
    """
    from dlcli.trained import evaluate, open_run

    result = evaluate(open_run(run, checkpoint).with_crops(int(crops) if crops else None), split)
    if as_json:
        print_json(result)
    else:
        click.echo(_text(result))


def _text(result: Mapping[str, Any]) -> str:
    from dlcli.report.table import number, percent, table

    rows = [
        ["split", result["split"]],
        ["samples", f"{result['samples']:,}"],
        ["loss", number(result["loss"])],
    ]
    if result.get("error") is None:
        return table(rows, left=2)
    rows.append(["error", percent(result["error"])])
    if result["top5_error"] is not None:
        rows.append(["top-5 error", percent(result["top5_error"])])
    labels = [str(row["label"]) for row in result["classes"]]
    classes = table(
        [
            [label, percent(row["precision"]), percent(row["recall"]), f"{row['samples']:,}"]
            for label, row in zip(labels, result["classes"], strict=True)
        ],
        ["class", "precision", "recall", "samples"],
    )
    confusion = table(
        [[label, *map(str, row)] for label, row in zip(labels, result["confusion"], strict=True)],
        ["true \\ found", *labels],
    )
    return "\n\n".join([table(rows, left=2), classes, confusion])
