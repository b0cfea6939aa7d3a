"""The whole program: data, network, objectives, optimiser, loop and run directory, put together here and only here."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from math import prod
from pathlib import Path
from typing import Any, Literal

import numpy as np

from dlcli.config.dump import dump
from dlcli.config.experiment import Experiment
from dlcli.data.pipeline import Prepared, prepare
from dlcli.errors import DataError, MisfitError, UsageError
from dlcli.expansion import expand
from dlcli.graph import Graph
from dlcli.layers.mean_field import MeanField
from dlcli.network import Network
from dlcli.optim.base import Optimiser
from dlcli.optim.schedules.base import Metric
from dlcli.pretrain.greedy import layer_of, nodes_to_pretrain
from dlcli.pretrain.stages import Shared, filled_layers, hand_over, learns_labels
from dlcli.pretrain.stages import plans as pretraining_plans
from dlcli.pretrain.unroll import unroll
from dlcli.training.backpropagation import Backpropagation
from dlcli.training.checkpoint import load
from dlcli.training.logged import Logged
from dlcli.training.loop import Loop, Reporter
from dlcli.training.measure import measure
from dlcli.training.progress import stops_early
from dlcli.training.run_directory import RunDirectory, find_checkpoint, load_latest
from dlcli.training.session import TRANSFORM, Session, kept_by, notes_of, progress_of
from dlcli.training.signals import Requests
from dlcli.training.stage import Models, Plan, Stage
from dlcli.training.transfer import frozen, transfer

SUPERVISED = "supervised"
MAY_CHANGE = ("output.", "training.epochs", "pretrain.memory_limit")  # between a run and its resumption


def run(
    experiment: Experiment,
    *,
    directory: Path,
    reporter: Reporter,
    stages: Literal["all", "pretrain"] = "all",
    resume: bool = False,
    overwrite: bool = False,
    init: Path | None = None,
    replaced: Sequence[str] = (),
) -> dict[str, Any]:
    """Train, from the data to the test metrics; returns what ``dlcli train --json`` prints.

    Raises
    ------
    MisfitError, DataError, CheckpointError, EnvironmentFailure, UsageError: before the first step.
    Diverged, Stopped: from the loop.
    """
    began = time.monotonic()
    with Requests() as requests:
        if stages == "pretrain" and experiment.pretrain is None:
            raise UsageError("the config has no `pretrain` section")
        data = prepare(experiment.data)
        network = build_network(experiment, data)
        plans = plan(experiment, data, network, directory)
        start = _Start() if init is None else _start_from(init, network, replaced)
        if not resume:
            _check_posteriors(experiment, network)
        output = experiment.output
        with RunDirectory(directory, resume=resume, overwrite=overwrite, keep=output.keep) as run_directory:
            reporter = Logged(reporter, run_directory)
            record = _record(experiment, data, network)
            session = Session(run_directory, network.tensors, _constants(data), record, start.kept, start.notes)
            session.progress.finished = start.finished
            for line in start.mapping:
                reporter.message(line)
            if resume:
                _resume(session, experiment, data, reporter)
            run_directory.write_config(dump(experiment))
            for step in plans:
                if step.name == SUPERVISED and stages == "pretrain":
                    break
                if step.name not in session.progress.finished:
                    if step.name == SUPERVISED and not start.trained:
                        _take_over(experiment, network, session)  # if training is resumed, `begin` restores what it was
                    stage = step.build(session.kept)
                    session.begin(stage.name, stage.objective)
                    Loop(stage, session.progress, session, reporter, requests, output.checkpoint_every).run()
            if stages == "pretrain" and not start.trained:  # the network as supervised training will find it
                _take_over(experiment, network, session)
                session.save()
            return _summary(experiment, data, network, session, reporter, stages) | {
                "run": str(directory),
                "seconds": round(time.monotonic() - began, 3),
            }


def _take_over(experiment: Experiment, network: Network, session: Session) -> None:
    """Give the network what pretraining has left beside it."""
    hand_over(experiment.pretrain, network, session.kept)
    unroll(network, session.kept)


def _check_posteriors(experiment: Experiment, network: Network) -> None:
    """A `mean_field` layer gets its machine from pretraining, or from another run (--init): without, it gives zeros."""
    filled = filled_layers(experiment.pretrain, network.graph)
    for placed in expand(experiment.network):
        empty = isinstance(placed.layer, MeanField) and not network.state[f"{placed.name}/weights_1"].any()
        if empty and placed.name not in filled:
            found = f"{placed.name} gets no machine, and so gives zeros for its posterior"
            raise MisfitError(placed.path, f"{found}; expected pretraining by dbm from the next layer up, or --init")


def build_graph(experiment: Experiment, data: Prepared) -> Graph:
    """The network's shapes on this data, with everything that can be wrong between the parts of a config.

    Raises
    ------
    MisfitError: layers, loss, metrics or pretraining don't fit each other or the data; it names the config's key.
    """
    heads = [loss.input for loss in experiment.heads]
    graph = Graph.build(experiment.network, data.sample_shape, heads)
    if not graph.parameters:
        raise MisfitError(("network",), "found no layer with weights, expected at least one: there is nothing to train")
    targets = len(data.classes) if data.task == "classification" else prod(data.target_shape)
    for place, (loss, head) in enumerate(zip(experiment.heads, graph.heads, strict=True)):
        try:
            loss.check(graph.nodes[head].shape, data.task, targets)
            for part in data.train.targets():
                loss.check_targets(part)
        except ValueError as error:
            path = ("loss",) if experiment.loss is not None else ("losses", place)
            raise MisfitError(path, str(error)) from error
    frozen(graph, experiment.freeze)
    _check_metrics(experiment, data)
    if experiment.pretrain is not None:
        nodes_to_pretrain(experiment.pretrain, graph)
    check_memory(graph, min(experiment.data.batch_size, len(data.train)), experiment.optimiser)
    return graph


def build_network(experiment: Experiment, data: Prepared) -> Network:
    """The network with its initial parameters."""
    network = Network(build_graph(experiment, data), seed=experiment.seed)
    network.initialise()
    return network


def plan(experiment: Experiment, data: Prepared, network: Network, directory: Path | None = None) -> list[Plan]:
    """Every stage of the run, in order: each layer's pretraining, then supervised training.

    ``directory`` is the run's, for what does not fit into memory; None: the folder of temporary files.
    """
    shared = Shared(experiment.data.batch_size, experiment.seed, experiment.data.shuffle, directory)

    def supervised(_: Models) -> Stage:
        training = experiment.training
        main, *auxiliary = experiment.heads
        still = frozen(network.graph, experiment.freeze)
        return Stage(
            name=SUPERVISED,
            objective=Backpropagation(network, main, experiment.optimiser, auxiliary=auxiliary, frozen=still),
            train=data.train,
            validation=data.validation,
            epochs=training.epochs,
            batch_size=experiment.data.batch_size,
            seed=experiment.seed,
            shuffle=experiment.data.shuffle,
            stop_early=training.stop_early,
            best=best_metric(experiment, data),
            diagnostics=training.diagnostics,
        )

    pretraining = [] if experiment.pretrain is None else pretraining_plans(experiment.pretrain, network, data, shared)
    return [*pretraining, Plan(SUPERVISED, supervised)]


def best_metric(experiment: Experiment, data: Prepared) -> Metric | None:
    """What chooses the best checkpoint; None where nothing is held out and nothing was asked for."""
    training = experiment.training
    if training.best is not None:
        return training.best
    if training.stop_early is not None:
        return training.stop_early.metric
    if data.validation is None:
        return None
    return "validation_error" if data.task == "classification" else "validation_loss"


def _summary(
    experiment: Experiment,
    data: Prepared,
    network: Network,
    session: Session,
    reporter: Reporter,
    stages: str,
) -> dict[str, Any]:
    """The result of the run, with the test metrics of its best checkpoint (of its last, if none is best)."""
    history, training = session.progress.history, experiment.training
    last = history[-1] if history else {}
    early = stages == "all" and len(history) < training.epochs and stops_early(training.stop_early, history)
    summary: dict[str, Any] = {"epochs": len(history), "stopped_by": "stop_early" if early else "epochs"} | {
        key: last.get(key) for key in ("train_loss", "train_error", "validation_loss", "validation_error")
    }
    summary |= {"test_error": None, "test_loss": None}
    if stages == "all" and (history or learns_labels(experiment.pretrain, network)) and data.test is not None:
        path = find_checkpoint(session.directory.path)
        checkpoint = load(path)
        checkpoint.take(network.tensors, path)
        options = experiment.data
        measured = measure(network, experiment.main_loss, data.test, options.batch_size, options.test_crops).metrics()
        row = {f"test_{name}": value for name, value in measured.items()}
        epoch = len(checkpoint.record["progress"]["history"])
        row = {"stage": "test", "epoch": epoch, "step": checkpoint.record["progress"]["step"]} | row
        session.write_row(row)
        reporter.epoch(row)
        summary |= {key: row.get(key) for key in ("test_error", "test_loss")}
    return summary


def _constants(data: Prepared) -> dict[str, np.ndarray]:
    return {f"{TRANSFORM}{name}": array for name, array in data.statistics.items()}


def _record(experiment: Experiment, data: Prepared, network: Network) -> dict[str, Any]:
    return {
        "parameters": list(network.tensors),
        "experiment": experiment.model_dump(mode="json"),
        "classes": list(data.classes),
        "task": data.task,
        "raw_shape": list(data.raw_shape),
        "sample_shape": list(data.sample_shape),
        "fingerprint": data.fingerprint,
    }


def _resume(session: Session, experiment: Experiment, data: Prepared, reporter: Reporter) -> None:
    """Take up the run where its newest whole checkpoint left it."""
    path, checkpoint, messages = load_latest(session.directory.path)
    for message in messages:
        reporter.message(message)
    differences = _differences(checkpoint.record.get("experiment", {}), experiment.model_dump(mode="json"))
    if any(schedule.depends_on_length() for schedule in experiment.optimiser.schedules().values()):
        before, now = checkpoint.record["experiment"]["training"]["epochs"], experiment.training.epochs
        if before != now:
            differences.append(f"training.epochs, on which a schedule depends: the run has {before}, the config {now}")
    if differences:
        lines = "\n".join(f"  {difference}" for difference in differences)
        raise UsageError(f"{session.directory.path}: the config differs from the run's:\n{lines}")
    if checkpoint.record.get("fingerprint") != data.fingerprint:
        raise DataError(f"{session.directory.path}: the data have changed since the run began")
    session.restore(path, checkpoint)
    progress, training = session.progress, experiment.training
    longer = progress.stage == SUPERVISED and len(progress.history) < training.epochs
    if longer and SUPERVISED in progress.finished and not stops_early(training.stop_early, progress.history):
        progress.finished.remove(SUPERVISED)
    reporter.message(f"going on from {path}: stage {progress.stage}, step {progress.step}")


@dataclass(frozen=True)
class _Start:
    """What a run begins with: pretraining stages that are done, what they have kept and noted, and lines to tell it.

    ``trained``: whether supervised training, too, has begun.
    """

    finished: list[str] = field(default_factory=list)
    kept: dict[str, np.ndarray] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)
    mapping: list[str] = field(default_factory=list)
    trained: bool = False


def _start_from(init: Path, network: Network, replaced: Sequence[str]) -> _Start:
    """Begin with another run's parameters."""
    path = find_checkpoint(init, "last") if init.is_dir() else find_checkpoint(init)
    checkpoint = load(path)
    mapping = transfer(checkpoint, path, network, replaced)
    progress = progress_of(path, checkpoint)
    anew = _from_first(network.graph, replaced)
    done = [stage for stage in progress.finished if stage.startswith("pretrain/")]
    finished = [stage for stage in done if layer_of(stage) not in anew]
    kept = {name: array for name, array in kept_by(path, checkpoint).items() if name.split(".")[0] not in anew}
    notes = {name: note for name, note in notes_of(path, checkpoint).items() if name not in anew}
    return _Start(finished, kept, notes, mapping, trained=progress.stage == SUPERVISED and finished == done)


def _from_first(graph: Graph, replaced: Sequence[str]) -> set[str]:
    """The replaced layers and those behind the first of them, whose pretraining is to be done again."""
    names = [node.name for node in graph.nodes]
    places = [place for place, name in enumerate(names) if any(fnmatchcase(name, pattern) for pattern in replaced)]
    return set(names[min(places) :]) if places else set()


def _differences(before: Any, now: Any, path: str = "") -> list[str]:
    """Keys whose values differ, as ``key: was, is``."""
    if path.startswith(MAY_CHANGE):
        return []
    if isinstance(before, dict) and isinstance(now, dict):
        keys = [*now, *(key for key in before if key not in now)]
        return [d for k in keys for d in _differences(before.get(k), now.get(k), f"{path}.{k}".lstrip("."))]
    if isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        pairs = enumerate(zip(before, now, strict=True))
        return [d for i, (b, n) in pairs for d in _differences(b, n, f"{path}.{i}")]
    return [] if before == now else [f"{path}: the run has {before!r}, the config {now!r}"]


def _check_metrics(experiment: Experiment, data: Prepared) -> None:
    """A metric that a decision rests on must exist."""
    training, pretrain = experiment.training, experiment.pretrain
    wanted: dict[tuple[str, ...], Metric | None] = {("training", "best"): training.best}
    if training.stop_early is not None:
        wanted["training", "stop_early", "metric"] = training.stop_early.metric
    for name, schedule in experiment.optimiser.schedules().items():
        wanted["optimiser", name] = schedule.needs()
    for name, schedule in pretrain.optimiser.schedules().items() if pretrain else ():
        wanted["pretrain", "optimiser", name] = schedule.needs()
    for path, metric in wanted.items():
        if metric is None:
            continue
        if metric.startswith("validation") and data.validation is None:
            message = f"found {metric}, but nothing is held out; expected data.validation, or a train metric"
            raise MisfitError(path, message)
        if metric.endswith("error") and (data.task == "regression" or path[0] == "pretrain"):
            hint = " (where it comes from the top level, give pretrain.sgd.schedule)" if path[0] == "pretrain" else ""
            raise MisfitError(path, f"found {metric}, but there are no classes to mistake; expected a loss{hint}")


def check_memory(graph: Graph, batch_size: int, optimiser: Optimiser) -> None:
    """Refuse what cannot fit the machine before any of it is taken."""
    parameters = (1 + optimiser.memory()) * graph.parameter_count
    activations = batch_size * sum(prod(node.shape) for node in graph.nodes)
    needed = 4 * (parameters + activations)
    available = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > available:
        message = f"{graph.parameter_count:,} parameters and a batch of {batch_size} need {needed / 1e9:.3g} GB"
        raise MisfitError(("network",), f"{message}; this machine has {available / 1e9:.3g} GB")
