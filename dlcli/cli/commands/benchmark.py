"""dlcli benchmark"""

from collections.abc import Mapping
from math import prod
from typing import TYPE_CHECKING, Any

import click

from dlcli.cli.options import examples, experiment_options, json_option, quiet_option, threads_option
from dlcli.cli.output import print_json

if TYPE_CHECKING:
    from dlcli.config.experiment import Experiment
    from dlcli.graph import Graph
    from dlcli.report.progress import Quiet

UNSTEADY = 1.5  # median over minimum of the steps


@click.command(
    epilog=examples(
        "dlcli benchmark mnist_lenet.yaml",
        "dlcli benchmark mnist_lenet.yaml --batch-size 256 --threads 1",
        "dlcli benchmark mnist_sae.yaml --stage pretrain/hidden1",
        "dlcli benchmark cifar10_quick.yaml --set 'data.source={type: synthetic, shape: [32, 32, 3], classes: 10}'",
        "dlcli benchmark mnist_lenet.yaml --quiet --json | jq .step_ms.median",
    )
)
@experiment_options
@click.option(
    "--stage", metavar="NAME", default="supervised", show_default=True,
    help="The stage whose steps are timed; a layer's pretraining is called pretrain/LAYER.",
)  # fmt: skip
@click.option(
    "--batch-size", type=click.IntRange(1, 1_000_000), metavar="N",
    help="Samples in a mini-batch, instead of the config's.",
)  # fmt: skip
@click.option(
    "--steps", type=click.IntRange(1, 1_000_000), metavar="N",
    help="Steps to time, twice; by default as many as three seconds have room for, from 10 to 1,000.",
)  # fmt: skip
@threads_option
@json_option
@quiet_option
def command(
    config: str,
    overrides: tuple[str, ...],
    seed: int | None,
    stage: str,
    batch_size: int | None,
    steps: int | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Time the training steps of a network, layer by layer.

    Nothing is trained and nothing written. A step is forward pass, loss, backward pass and update, on a mini-batch
    of the config's data; which values they have hardly matters, so a synthetic source of the same shape will do.
    Steps are timed as training runs them, and once more with a clock around each layer. Times of layers are
    medians; samples/s and GFLOP/s belong to the median step. The first steps, which compile kernels, don't count.

    GFLOP/s count two operations for every multiplication with addition of the forward pass, and as many again for
    the gradient by the weights and for the gradient by the input, where it is computed: not in the first layer with
    weights, nor below it. Multiplications with padding count, though kernels may leave them out. The machine's peak
    is the speed of the innermost kernel alone, on as many threads.
    """
    from dlcli.cli.experiments import experiment_of
    from dlcli.report.progress import reporter

    with experiment_of(config, overrides, seed) as experiment, reporter(quiet) as progress:
        result = _measure(experiment, stage, batch_size, steps, progress)
    if as_json:
        print_json(result)
    else:
        click.echo(_text(result))


def _measure(
    experiment: "Experiment", stage_name: str, batch_size: int | None, steps: int | None, progress: "Quiet"
) -> dict[str, Any]:
    """What ``--json`` prints."""
    from numba import get_num_threads

    from dlcli import cache
    from dlcli.data.pipeline import prepare
    from dlcli.kernels.peak import peak
    from dlcli.pretrain.greedy import layer_of
    from dlcli.training.backpropagation import Backpropagation
    from dlcli.training.benchmark import benchmark, peak_memory
    from dlcli.wiring import SUPERVISED, build_network, check_memory, plan

    experiment = _at_rest(experiment)
    data = prepare(experiment.data)
    plans = {p.name: p for p in plan(experiment, data, build_network(experiment, data))}
    if stage_name not in plans:
        raise click.UsageError(f"--stage: found {stage_name!r}, expected {' or '.join(plans)}")
    pretrain = experiment.pretrain
    if pretrain is not None and stage_name != SUPERVISED and pretrain.of(layer_of(stage_name)).method.descends:
        raise click.UsageError(f"--stage: {stage_name} is not trained by backpropagation, layer by layer")
    stage = plans[stage_name].build({})
    objective = stage.objective
    assert isinstance(objective, Backpropagation), "other methods were refused"  # noqa: S101
    graph, threads = objective.network.graph, get_num_threads()
    size = batch_size or min(stage.batch_size, len(stage.train))
    check_memory(graph, size, experiment.optimiser)
    cache.announce(progress.message)
    progress.message(f"timing steps of {size:,} samples on {threads} thread{'s' * (threads > 1)}")
    before = peak(threads)
    cost = benchmark(objective, stage.train, size, steps)
    memory = peak_memory()
    peak_gflops = max(before, peak(threads))  # whatever else the machine does comes and goes
    return {
        "name": experiment.name,
        "stage": stage_name,
        "network": _in_words(graph),
        "batch_size": size,
        "threads": threads,
        "steps": len(cost.steps),
        "step_ms": {"min": cost.minimum, "median": cost.median},
        "samples_per_second": cost.samples_per_second,
        "gflops": cost.gflops,
        "peak_gflops": peak_gflops,
        "share_of_peak": cost.gflops / peak_gflops,
        "peak_memory_mb": memory / 1e6,
        "batch_ms": cost.batch,
        "layers": [
            {
                "name": layer.name,
                "type": layer.type,
                "forward_ms": layer.forward_ms,
                "backward_ms": layer.backward_ms,
                "gflops": layer.gflops,
                "share_of_step": cost.share(layer.ms),
            }
            for layer in cost.layers
        ],
        "rest_ms": cost.rest,
        "rest_share_of_step": cost.share(cost.rest),
    }


def _at_rest(experiment: "Experiment") -> "Experiment":
    """The experiment with learning rates of 0, in every stage."""
    from dlcli.training.benchmark import at_rest

    still: dict[str, Any] = {"optimiser": at_rest(experiment.optimiser)}
    if experiment.pretrain is not None:
        optimiser = at_rest(experiment.pretrain.optimiser)
        still["pretrain"] = experiment.pretrain.model_copy(update={"optimiser": optimiser})
    return experiment.model_copy(update=still)


def _in_words(graph: "Graph") -> str:
    """The widths of the layers with parameters, and of the input where it is taken as a flat row: ``784-500-10``."""
    nodes = [node for node in graph.nodes if node.parameters]
    flat = len(nodes[0].shape) == 1
    return "-".join(map(str, [prod(nodes[0].inputs[0])] * flat + [node.shape[-1] for node in nodes]))


def _text(result: Mapping[str, Any]) -> str:
    from dlcli.report.table import percent, size, table

    step = result["step_ms"]
    facts = [
        ["network", f"{result['network']} ({result['name']}, {result['stage']})"],
        ["mini-batch", f"{result['batch_size']:,} samples, assembled in {result['batch_ms']:.3f} ms beside the step"],
        ["step", f"median {step['median']:.3f} ms, minimum {step['min']:.3f} ms, of {result['steps']:,} steps"],
        ["samples/s", f"{result['samples_per_second']:,.0f}"],
        ["GFLOP/s", _speed(result["gflops"])],
        ["share of peak", f"{percent(result['share_of_peak'])} of {result['peak_gflops']:.0f} GFLOP/s"],
        ["threads", str(result["threads"])],
        ["peak memory", size(1e6 * result["peak_memory_mb"])],
    ]
    return "\n\n".join([_layers(result), table(facts, left=2), _hint(result)])


def _layers(result: Mapping[str, Any]) -> str:
    """The table of layers, the rest of the step, and their sum."""
    from dlcli.report.table import table

    layers, rest = result["layers"], result["rest_ms"]

    def line(name: str, kind: str, forward: float, backward: float, both: float, speed: str, share: float) -> list[str]:
        passes = [f"{ms:.3f}" if ms else "–" for ms in (forward, backward, both)]
        return [name, kind, *passes, speed, f"{100 * share:.1f} %"]

    rows = [
        line(
            layer["name"], layer["type"], layer["forward_ms"], layer["backward_ms"],
            layer["forward_ms"] + layer["backward_ms"], _speed(layer["gflops"]),
            layer["share_of_step"],
        )
        for layer in layers
    ]  # fmt: skip
    rows.append(line("loss and the rest", "", 0, 0, rest, "–", result["rest_share_of_step"]))
    forward, backward = (sum(layer[key] for layer in layers) for key in ("forward_ms", "backward_ms"))
    both = forward + backward + rest
    speed = result["gflops"] * result["step_ms"]["median"] / both
    rows.append(line("total", "", forward, backward, both, _speed(speed), 1.0))
    return table(rows, ["layer", "type", "forward ms", "backward ms", "both ms", "GFLOP/s", "of the step"], left=2)


def _hint(result: Mapping[str, Any]) -> str:
    """What dominates the step, and whether the times can be trusted."""
    most = max(result["layers"], key=lambda layer: layer["share_of_step"])
    if result["rest_share_of_step"] > most["share_of_step"]:
        hint = f"Loss, metrics and what else is no layer's take {100 * result['rest_share_of_step']:.0f} % of a step."
    else:
        passes = max(("forward", "backward"), key=lambda name: most[f"{name}_ms"])
        part = most[f"{passes}_ms"] / (most["forward_ms"] + most["backward_ms"])
        hint = (
            f"{most['name']} takes {100 * most['share_of_step']:.0f} % of a step, "
            f"{100 * part:.0f} % of that in its {passes} pass."
        )
    if result["step_ms"]["median"] > UNSTEADY * result["step_ms"]["min"]:
        hint += "\nThe times vary much: is the machine busy with something else?"
    return hint


def _speed(gflops: float) -> str:
    """A dash where nothing is counted."""
    if not gflops:
        return "–"
    return f"{gflops:.1f}" if gflops >= 1 else f"{gflops:.2g}"
