"""dlcli summary"""

from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dlcli.cli.options import examples, json_option, overrides_option, seed_option
from dlcli.cli.output import print_json

if TYPE_CHECKING:
    from dlcli.graph import Graph, Node


@click.command(
    epilog=examples(
        "dlcli summary mnist_lenet.yaml",
        "dlcli summary runs/mnist-lenet",
        "dlcli summary mnist_lenet.yaml --json | jq .parameters",
    )
)
@click.argument("config_or_run", metavar="CONFIG|RUN", type=click.Path())
@overrides_option
@seed_option
@json_option
def command(config_or_run: str, overrides: tuple[str, ...], seed: int | None, as_json: bool) -> None:
    """Show the layers of a network and what they cost.

    Name, type, output shape, parameters, multiply-adds for one sample, and memory: that of the outputs, and
    of what a layer keeps for the backward pass, for a mini-batch in float32.
    """
    graph, batch_size = _graph(config_or_run, overrides, seed)
    summary = _summary(graph, batch_size)
    if as_json:
        print_json(summary)
    else:
        click.echo(_text(summary, batch_size))


def _graph(config_or_run: str, overrides: tuple[str, ...], seed: int | None) -> "tuple[Graph, int]":
    """The network's shapes, without its weights, and the size of a mini-batch."""
    path = Path(config_or_run)
    if path.is_dir() or path.suffix == ".safetensors":
        if overrides or seed is not None:
            raise click.UsageError("--set and --seed change a config; a run stays as it is")
        from dlcli.trained import open_run

        trained = open_run(path)
        return trained.network.graph, trained.experiment.data.batch_size
    from dlcli.cli.experiments import experiment_of
    from dlcli.data.pipeline import prepare
    from dlcli.wiring import build_graph

    with experiment_of(config_or_run, overrides, seed) as experiment:
        return build_graph(experiment, prepare(experiment.data)), experiment.data.batch_size


def _summary(graph: "Graph", batch_size: int) -> dict[str, Any]:
    layers = [
        {
            "name": node.name,
            "type": getattr(node.layer, "type", ""),
            "inputs": [list(shape) for shape in node.inputs],
            "output_shape": list(node.shape),
            "parameters": node.parameter_count,
            "multiply_adds": node.multiply_adds,
            "activation_bytes": _activation_bytes(node, batch_size),
        }
        for node in graph.nodes
    ]
    return {
        "parameters": graph.parameter_count,
        "multiply_adds": graph.multiply_adds,
        "activation_bytes": sum(layer["activation_bytes"] for layer in layers),
        "layers": layers,
    }


def _activation_bytes(node: "Node", batch_size: int) -> int:
    """Bytes of a batch's outputs and of what is saved for the backward pass, in float32."""
    total = 4 * batch_size * prod(node.shape)
    for spec in node.layer.saved(node.inputs).values():
        width = 4 if spec.dtype is None else spec.dtype().itemsize
        total += width * prod(spec.shape) * (1 if spec.per_batch else batch_size)
    return total


def _text(summary: Mapping[str, Any], batch_size: int) -> str:
    from dlcli.report.table import size, table

    def line(name: str, kind: str, shape: str, layer: Mapping[str, Any]) -> list[str]:
        counts = [f"{layer['parameters']:,}", f"{layer['multiply_adds']:,}", size(layer["activation_bytes"])]
        return [name, kind, shape, *counts]

    rows = [
        line(layer["name"], layer["type"], " × ".join(map(str, layer["output_shape"])), layer)
        for layer in summary["layers"]
    ]
    headers = ["layer", "type", "output", "parameters", "multiply-adds", f"memory (batch of {batch_size})"]
    return table([*rows, line("total", "", "", summary)], headers, left=3)
