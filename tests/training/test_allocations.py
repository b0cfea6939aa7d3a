"""The whole loop, batch assembly included, allocates nothing of a batch's size once it has seen one epoch."""

import tracemalloc
from math import prod

import numpy as np
import pytest
from pydantic import TypeAdapter

from dlcli.data.batches import BatchSource
from dlcli.data.options import DataOptions
from dlcli.data.pipeline import fitted
from dlcli.data.transforms.scale import Scale
from dlcli.graph import Graph
from dlcli.losses.softmax_cross_entropy import SoftmaxCrossEntropy
from dlcli.network import Network
from dlcli.optim.adam import Adam
from dlcli.optim.lbfgs import Lbfgs
from dlcli.optim.sgd import Sgd
from dlcli.pretrain.base import Method, Task
from dlcli.report.progress import Quiet
from dlcli.training.backpropagation import Backpropagation
from dlcli.training.loop import Loop
from dlcli.training.options import Interval
from dlcli.training.progress import Progress
from dlcli.training.signals import Requests
from dlcli.training.stage import Stage
from tests.layers.harness import layer_of

BATCH = 512
SAMPLES = 4 * BATCH + BATCH // 2  # the last batch of an epoch is partial
MLP = [
    {"type": "dense", "units": 20, "activation": "sigmoid"},
    {"type": "dropout", "rate": 0.25},
    {"type": "dense", "units": 4},
]
CONVNET = [
    {"type": "conv2d", "filters": 4, "kernel_size": 3, "activation": "relu"},
    {"type": "max_pool2d", "size": 2},
    {"type": "dense", "units": 4},
]


class Meter(Quiet):
    """Notes, from step to step, how far the traced memory rose above what it was."""

    def __init__(self) -> None:
        self.rises: list[int] = []
        self._before: int | None = None

    def step(self, loss: float, samples: int) -> None:
        now, peak = tracemalloc.get_traced_memory()
        if self._before is not None:
            self.rises.append(peak - self._before)
        self._before = now
        tracemalloc.reset_peak()

    def epoch(self, metrics: object) -> None:
        self._before = None  # what is done once an epoch may take memory: the order of its samples


class Nothing:
    """Keeps nothing."""

    def write_row(self, row: object) -> None: ...
    def save(self, *, best: bool = False) -> None: ...


SCHEDULE = {"type": "inverse", "gamma": 0.1, "power": 0.5}
OPTIMISERS = {
    "sgd": Sgd.model_validate({"ε": 0.01, "schedule": SCHEDULE}),
    "adam": Adam.model_validate({"learning_rate": 0.01, "schedule": SCHEDULE}),
    "lbfgs": Lbfgs(history=3),
}


@pytest.mark.parametrize(
    ("layers", "stored", "optimiser"),
    [
        (MLP, np.uint8, "sgd"),
        (MLP, np.float32, "sgd"),
        (CONVNET, np.uint8, "sgd"),
        (CONVNET, np.float32, "sgd"),
        (MLP, np.float32, "adam"),
        (CONVNET, np.float32, "lbfgs"),
    ],
)
def test_a_step_allocates_nothing_of_a_batch_s_size(layers, stored, optimiser):
    x = (np.arange(SAMPLES * 98) % 251).astype(stored).reshape(SAMPLES, 7, 7, 2)
    source = BatchSource(x, np.arange(SAMPLES) % 4, [Scale(by=1 / 256)])
    rises = rises_of(source, learning(source, layers, OPTIMISERS[optimiser]))
    smallest = BATCH * 4 * 4  # bytes of the smallest array of a batch's size, the output; its targets are as large
    assert max(rises) < smallest, rises


def test_random_transforms_allocate_no_images():
    x = (np.arange(SAMPLES * 768) % 251).astype(np.uint8).reshape(SAMPLES, 16, 16, 3)
    written = [
        {"type": "random_scale_crop", "size": 12, "scale": [12, 20]}, {"type": "scale", "by": 0.5},
        {"type": "random_crop", "size": 10}, "mirror", "subtract_mean", "pca_jitter", "gcn",
    ]  # fmt: skip
    transforms = DataOptions.model_validate({"source": "bundled", "transform": written}).transform
    source = BatchSource(x, np.arange(SAMPLES) % 4, transforms, fitted(transforms, x))
    rises = rises_of(source, learning(source, MLP, OPTIMISERS["sgd"]))
    bytes_of_a_batch = BATCH * 10 * 10 * 3 * 4
    assert max(rises) < bytes_of_a_batch / 4, rises  # draws and windows: some numbers for each sample


STACK = [
    {"type": "dense", "name": "hidden1", "units": 20, "activation": "sigmoid"},
    {"type": "dense", "name": "hidden2", "units": 16, "activation": "sigmoid"},
    {"type": "class_rbm", "name": "top", "units": 12, "classes": 4},
]


@pytest.mark.parametrize(
    ("options", "layers"),
    [
        ({"type": "autoencoder", "corruption": 0.3}, ["hidden1"]),
        ({"type": "rbm"}, ["hidden1"]),
        ({"type": "rbm", "chains": BATCH, "steps": 2, "sparsity": {}}, ["hidden1"]),
        ({"type": "rbm"}, ["top"]),
        ({"type": "rbm", "up_down": {"sgd": {"learning_rate": 0.1}}}, ["hidden1", "hidden2", "top"]),
        ({"type": "dbm", "joint_training": {"sgd": {"learning_rate": 0.1}}}, ["hidden1", "hidden2"]),
        ({"type": "boltzmann_machine", "chains": BATCH}, ["hidden1"]),
    ],
    ids=["autoencoder", "cd", "pcd", "labels", "up-down", "dbm", "general"],
)
def test_a_step_of_pretraining_allocates_nothing_of_a_batch_s_size(options, layers):
    network = Network(Graph.build(map(layer_of, STACK), (98,)))
    network.initialise()
    method, nodes = TypeAdapter(Method).validate_python(options), tuple(network.graph.node(name) for name in layers)
    size = prod(nodes[0].inputs[0])
    x = (np.arange(SAMPLES * size) % 251 / 251).astype(np.float32).reshape(SAMPLES, size)
    source = method.source(nodes, network, x, np.arange(SAMPLES) % 4)
    task = Task(nodes, network, source, None, OPTIMISERS["sgd"], nodes, 4, machines(network, nodes))
    joint = method.joint() if len(nodes) > 1 else None
    rises = rises_of(source, joint.objective(task) if joint else method.objective(task))
    assert max(rises) < BATCH * 4 * 4, rises  # less than a quarter of the smallest array of a batch's size


def machines(network, nodes):
    """What the greedy walk leaves of each layer."""
    return {
        f"{node.name}.{kind}/{name}": array
        for node in nodes
        for kind in ("rbm", "dbm")
        for name, array in (
            ("weights", network.parameters[f"{node.name}/weights"]),
            ("bias", network.parameters[f"{node.name}/bias"]),
            ("visible_bias", np.zeros(len(network.parameters[f"{node.name}/weights"]), np.float32)),
        )
    }


def learning(source, layers, optimiser):
    """The supervised objective of these layers."""
    network = Network(Graph.build(map(layer_of, layers), source.sample_shape))
    network.initialise()
    return Backpropagation(network, SoftmaxCrossEntropy(), optimiser)


def rises_of(source, objective):
    """How far memory rises in each step of the loop but an epoch's first, once buffers are made."""
    progress, meter = Progress("supervised"), Meter()

    def train(epochs: int) -> None:
        with Requests() as requests:
            part = Stage("supervised", objective, source, None, epochs=epochs, batch_size=BATCH, seed=1)
            Loop(part, progress, Nothing(), meter, requests, Interval()).run()

    train(1)  # buffers of both sizes are made, kernels are compiled
    meter.rises.clear()
    tracemalloc.start()
    try:
        train(3)
    finally:
        tracemalloc.stop()
    assert len(meter.rises) == 2 * 4
    return meter.rises
