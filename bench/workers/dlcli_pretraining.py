"""dlcli's side of `bench.pretraining`: the stage's own objective, its batches drawn as the loop draws them."""

from typing import Any

import numba

from bench.pretraining import BATCH, INPUTS, RATE, SAMPLES, UNITS
from bench.workers.data import digits
from bench.workers.serve import Made
from dlcli.data.pipeline import order
from dlcli.graph import Graph
from dlcli.layers.dense import Dense
from dlcli.network import Network
from dlcli.optim.schedules.base import Clock
from dlcli.optim.sgd import Sgd
from dlcli.pretrain.base import Method, Task
from dlcli.pretrain.methods.autoencoder import Autoencoder
from dlcli.pretrain.methods.rbm import RestrictedBoltzmannMachine


def prepare(threads: int) -> dict[str, Any]:
    numba.set_num_threads(threads)
    return {}


def method(case: str) -> Method:
    if case == "denoising":
        return Autoencoder(corruption=0.3)
    return RestrictedBoltzmannMachine(chains=BATCH if case == "pcd" else 0)


def make(job: dict[str, Any]) -> Made:
    """An epoch from the start, as scikit-learn's `fit` is; the work returns the last mini-batch's loss."""
    chosen = method(job["case"])
    layers = [Dense(name="hidden", units=UNITS, activation="sigmoid"), Dense(name="output", units=10)]
    graph, x = Graph.build(layers, (INPUTS,)), digits(SAMPLES)[0]
    steps = SAMPLES // BATCH

    def work() -> float:
        network = Network(graph, seed=1)
        network.initialise()
        nodes = graph.nodes[:1]
        source = chosen.source(nodes, network, x, None)
        objective = chosen.objective(Task(nodes, network, source, None, Sgd(learning_rate=RATE, momentum=0.0)))
        loss, sequence = 0.0, order(1, "bench", 0, SAMPLES, True)
        for step, batch in enumerate(source.iterate(BATCH, sequence, room=objective.room)):
            loss = objective.step(batch, Clock(step, steps, 1)).loss
        return loss

    return Made({"dlcli": work}, {})
