"""dlcli's training steps and forward passes, as `dlcli train` and `dlcli predict` do them."""

import itertools
import platform
from pathlib import Path
from typing import Any

import numba
import numpy as np

import dlcli
from bench.nets import DECAY, INFERENCE, MOMENTUM, RATE, Net, find
from bench.workers.data import batches
from bench.workers.serve import Made, Work
from dlcli.config.experiment import Experiment
from dlcli.config.load import load
from dlcli.data.batches import Batch, BatchSource
from dlcli.graph import Graph
from dlcli.kernels import vectors
from dlcli.kernels.peak import peak
from dlcli.network import Network
from dlcli.optim.schedules.base import Clock
from dlcli.pretrain.base import Task
from dlcli.pretrain.methods.autoencoder import Autoencoder
from dlcli.training.backpropagation import Backpropagation
from dlcli.training.objective import Objective

CONFIGS = Path(__file__).parents[2] / "configs"
SGD = {"learning_rate": RATE, "momentum": MOMENTUM, "weight_decay": DECAY}
INSTRUCTIONS = ("AVX512", "AVX2", "NEON", "GENERIC")  # as `dlcli.kernels.vectors` calls its machines


def prepare(threads: int) -> dict[str, Any]:
    """Versions, and the instruction set that the tile is made of."""
    numba.set_num_threads(threads)
    versions = {"dlcli": dlcli.__version__, "numba": numba.__version__, "numpy": np.__version__}
    used = next((name for name in INSTRUCTIONS if getattr(vectors, name) == vectors.MACHINE), "unknown")
    return {"versions": {"python": platform.python_version(), **versions}, "instructions": used}


def make(job: dict[str, Any]) -> Made:
    """A net's step or forward pass; without a net, the bare tile."""
    if "net" not in job:
        return Made({}, {"peak_gflops": peak(numba.get_num_threads(), job["seconds"])})
    net = find(job["group"], job["net"], job["batch"])
    experiment = _experiment(net)
    main, *auxiliary = experiment.heads
    network = Network(Graph.build(experiment.network, net.shape, [head.input for head in experiment.heads]), seed=1)
    network.initialise()
    if job["group"] == INFERENCE:
        x, _ = batches(net)[0]
        return Made({"dlcli": lambda: network.forward(x)}, _facts(network.graph, net, training=False))
    if net.autoencoder:
        x, _ = batches(net)[0]
        objective: Objective = Autoencoder().objective(
            Task(tuple(network.graph.nodes[:1]), network, BatchSource(x, x), None, experiment.optimiser)
        )
        graph = objective.network.graph  # type: ignore[attr-defined]
    else:
        objective = Backpropagation(network, main, experiment.optimiser, auxiliary=auxiliary)
        graph = network.graph
    return Made({"dlcli": _step(net, objective)}, _facts(graph, net, training=True))


def _experiment(net: Net) -> Experiment:
    if net.config is not None:
        rates = [f"sgd.{name}={value}" for name, value in SGD.items()]
        return load(str(CONFIGS / net.config), [*rates, "sgd.schedule=constant"])
    source = {"type": "synthetic", "shape": list(net.shape), "classes": 10, "samples": 10}
    given = {"name": net.name, "data": {"source": source}, "network": list(net.layers), "sgd": SGD}
    return Experiment.model_validate(given | {"loss": "softmax_cross_entropy"})


def _step(net: Net, objective: Objective) -> Work:
    turns = itertools.cycle([Batch(x, x if net.autoencoder else y) for x, y in batches(net)])
    clock = Clock(0, 1000, 1)
    return lambda: objective.step(next(turns), clock).loss / net.batch


def _facts(graph: Graph, net: Net, *, training: bool) -> dict[str, Any]:
    """Parameters, and floating-point operations of a batch.

    A step counts each product's multiply-adds twice over: forward, weight gradient, and input gradient but for the
    first layer with weights.
    """
    costs = [node.multiply_adds for node in graph.nodes if node.multiply_adds]
    per_sample = 3 * sum(costs) - costs[0] if training else sum(costs)
    parameters = sum(node.parameter_count for node in graph.nodes)
    return {"gflop": 2e-9 * net.batch * per_sample, "parameters": parameters}
