"""The stages of pretraining: one for each layer, in the greedy walk, and one for all together where a method has it."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from dlcli.data.pipeline import Prepared
from dlcli.graph import Graph, Node
from dlcli.layers.base import Array
from dlcli.network import Network
from dlcli.optim.base import Optimiser
from dlcli.pretrain.base import Joint, Method, Task
from dlcli.pretrain.greedy import Walk, nodes_to_pretrain, stage_name
from dlcli.pretrain.options import PretrainOptions
from dlcli.pretrain.storage import MEGABYTE, Storage
from dlcli.training.objective import Objective
from dlcli.training.stage import Models, Plan, Stage


@dataclass(frozen=True)
class Shared:
    """What stages have in common with supervised training; ``folder`` is the run's, for temporary files."""

    batch_size: int
    seed: int
    shuffle: bool
    folder: Path | None = None


def plans(options: PretrainOptions, network: Network, data: Prepared, shared: Shared) -> list[Plan]:
    """Every stage of pretraining, in order."""
    stack = _Stack(options, network, data, shared)
    found = [Plan(stage_name(node), partial(stack.greedy, node)) for node in stack.nodes]
    joint = options.method.joint()
    if joint is not None:
        found.append(Plan(stage_name(stack.nodes[-1], joint), partial(stack.together, joint)))
    return found


def hand_over(options: PretrainOptions | None, network: Network, models: Models) -> None:
    """Give the network what pretraining has left beside its parameters, as supervised training begins."""
    if options is None:
        return
    nodes = nodes_to_pretrain(options, network.graph)
    if options.method.joint() is not None:
        options.method.hand_over(nodes, network, models)
    else:
        for node in nodes:
            options.of(node.name).method.hand_over([node], network, models)


def filled_layers(options: PretrainOptions | None, graph: Graph) -> frozenset[str]:
    """Names of the layers that get something by `hand_over` though they are not pretrained themselves."""
    if options is None:
        return frozenset()
    nodes = nodes_to_pretrain(options, graph)
    return frozenset(node.name for node in options.method.fills(nodes, graph))


def learns_labels(options: PretrainOptions | None, network: Network) -> bool:
    """Whether pretraining alone makes a classifier of the network."""
    if options is None:
        return False
    return options.method.learns_labels(nodes_to_pretrain(options, network.graph)[-1])


class _Stack:
    """The layers to pretrain, and what they see."""

    def __init__(self, options: PretrainOptions, network: Network, data: Prepared, shared: Shared) -> None:
        self.nodes = nodes_to_pretrain(options, network.graph)
        self._options, self._network, self._data, self._shared = options, network, data, shared
        self._walk: Walk | None = None  # of the greedy stages, begun by the first that is not finished yet

    def greedy(self, node: Node, models: Models) -> Stage:
        if self._walk is None:
            self._walk = self._start()
        own = self._options.of(node.name)
        path = ("pretrain", "method") if own.method is self._options.method else (*own.path, "method")
        task = self._task(self._walk, (node,), own.method, own.optimiser, models, path)
        return self._stage(stage_name(node), own.method.objective(task), task, own.epochs, own.batch_size)

    def together(self, joint: Joint, models: Models) -> Stage:
        self._walk = None  # its features are not needed any more
        task = self._task(self._start(), tuple(self.nodes), self._options.method, joint.optimiser, models)
        size = joint.batch_size or self._options.batch_size
        return self._stage(stage_name(self.nodes[-1], joint), joint.objective(task), task, joint.epochs, size)

    def _start(self) -> Walk:
        sources = [source for source in (self._data.train, self._data.validation) if source is not None]
        storage = Storage(self._options.memory_limit * MEGABYTE, self._shared.folder)
        return Walk(self._network, sources, self._options.batch_size or self._shared.batch_size, storage)

    def _task(
        self,
        walk: Walk,
        nodes: tuple[Node, ...],
        method: Method,
        optimiser: Optimiser,
        models: Models,
        path: tuple[str | int, ...] = ("pretrain", "method"),
    ) -> Task:
        data = self._data
        labels = [source.y if data.classes else None for source in (data.train, data.validation) if source is not None]
        passed: dict[str, Array] = {}
        for below in self.nodes[: self.nodes.index(nodes[0])]:
            passed |= self._options.of(below.name).method.passed(below, self._network, models)
        sources = [
            method.source(nodes, self._network, inputs, own)
            for inputs, own in zip(walk.inputs_of(nodes[0], passed), labels, strict=True)
        ]
        return Task(
            nodes=nodes,
            stack=tuple(self.nodes),
            network=self._network,
            train=sources[0],
            held_out=sources[1] if len(sources) > 1 else None,
            optimiser=optimiser,
            classes=len(data.classes),
            models=models,
            path=path,
        )

    def _stage(self, name: str, objective: Objective, task: Task, epochs: int, batch_size: int | None) -> Stage:
        return Stage(
            name=name,
            objective=objective,
            train=task.train,
            validation=task.held_out,
            epochs=epochs,
            batch_size=batch_size or self._shared.batch_size,
            seed=self._shared.seed,
            shuffle=self._shared.shuffle,
        )
