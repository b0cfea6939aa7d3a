"""Outputs that stand in a concat's: which do, and that no bit changes."""

import pkgutil
from dataclasses import replace
from unittest import mock

import numba
import numpy as np
import pytest

import dlcli.kernels
from dlcli.cli import shipped
from dlcli.config.load import load
from dlcli.graph import Graph
from dlcli.kernels.sink import STORE
from dlcli.layers.base import Sink
from dlcli.losses.softmax_cross_entropy import SoftmaxCrossEntropy
from dlcli.network import Network
from dlcli.training.heads import evaluate_heads
from tests.layers.case import spread
from tests.test_expansion import dense, elements

SHAPE = (6, 5, 3)


def conv(name: str, *inputs: str, **options) -> dict:
    options = {"filters": 4, "kernel_size": 1, "padding": "same"} | options
    return {"type": "conv2d", "name": name, "inputs": list(inputs) or ["input"], **options}


def joined(*inputs: str, name: str = "joined") -> dict:
    return {"type": "concat", "name": name, "inputs": list(inputs)}


OUTPUT = {"type": "dense", "units": 2, "name": "output", "inputs": ["joined"]}


def placed(*written: dict, heads: tuple[str | None, ...] = (None,)) -> dict[str, tuple[str, int]]:
    graph = Graph.build(elements(*written), SHAPE, heads)
    names = [node.name for node in graph.nodes]
    return {names[place]: (names[concat], first) for place, (concat, first) in graph.placed.items()}


def test_what_can_be_written_in_place_is():
    pool = {"type": "max_pool2d", "name": "pool", "size": 3, "stride": 1, "padding": "same", "inputs": ["input"]}
    written = [conv("a"), pool, conv("b", activation="relu"), joined("a", "pool", "input", "b"), OUTPUT]
    assert placed(*written) == {"a": ("joined", 0), "b": ("joined", 10)}
    flat = [dense(4, name="c", inputs=["input"]), dense(3, name="d", inputs=["input"]), joined("d", "c"), OUTPUT]
    assert placed(*flat) == {"d": ("joined", 0), "c": ("joined", 3)}


@pytest.mark.parametrize(
    "options", [{"unshared_bias": True}, {"connections": [[0], [1], [2], [0, 1]]}], ids=["biases", "connections"]
)
def test_a_layer_that_cannot_has_memory_of_its_own(options):
    assert placed(conv("a", **options), conv("b"), joined("a", "b"), OUTPUT) == {"b": ("joined", 4)}


def test_what_others_look_at_has_memory_of_its_own():
    pair = [conv("a"), conv("b")]
    assert placed(*pair, joined("a", "b", "a"), OUTPUT) == {"b": ("joined", 4)}  # used twice
    more = [{"type": "add", "name": "sum", "inputs": ["a", "joined_too"]}, conv("joined_too", "joined")]
    assert placed(*pair, joined("a", "b"), *more, OUTPUT | {"inputs": ["sum"]}) == {"b": ("joined", 4)}
    assert placed(*pair, joined("a", "b"), OUTPUT, heads=("output", "a")) == {"b": ("joined", 4)}
    nested = [joined("a", "b", name="inner"), joined("inner")]
    assert placed(*pair, *nested, OUTPUT) == {"a": ("inner", 0), "b": ("inner", 4)}


def test_outputs_stand_in_the_concats_for_batches_of_any_size():
    written = [conv("a"), conv("b", filters=2), joined("a", "b"), {"type": "flatten"}, dense(2, name="output")]
    network = Network(Graph.build(elements(*written), SHAPE), seed=1)
    network.initialise()
    for bound in (False, True):
        if bound:
            network.bind(sinks(network))
        for samples in (2, 5, 3):
            network.forward(spread((samples, *SHAPE), 1), training=True)
            outputs = network.outputs(samples)
            assert outputs["a"].shape == (samples, 6, 5, 4)
            assert np.array_equal(outputs["joined"], np.concatenate([outputs["a"], outputs["b"]], axis=3))
            assert np.shares_memory(outputs["joined"], outputs["a"])
            assert np.shares_memory(outputs["joined"], outputs["b"])


def test_a_concats_gradient_stays_for_the_layers_in_its_output():
    """Until the last of them, while those before it write gradients of their own."""
    written = [conv("a", kernel_size=3), conv("b", "a"), conv("c", "b"), conv("d", "a"), joined("c", "d"), OUTPUT]
    graph = Graph.build(elements(*written), SHAPE)
    with mock.patch.object(Graph, "placed", {}):
        expected = gradients(replace(graph), [SoftmaxCrossEntropy()])
    assert gradients(graph, [SoftmaxCrossEntropy()]) == expected


# GoogLeNet

FILTERS = {"conv1x1": 4, "reduce3x3": 32, "conv3x3": 33, "reduce5x5": 32, "conv5x5": 34, "project": 3}


def googlenet() -> tuple[Graph, list]:
    """Three heads and nine modules, few filters, with convolutions of all three kinds: dense, direct, Winograd's."""
    changes = [
        "data.source={type: synthetic, shape: [64, 64, 3], classes: 10, samples: 2, test_samples: 2}",
        *("network.conv1.filters=8", "network.conv1.stride=1", "network.reduce2.filters=8", "network.conv2.filters=12"),
        *(f"network.{name}.units=10" for name in ("output", "auxiliary1", "auxiliary2")),
    ]
    for head in ("auxiliary1", "auxiliary2"):
        changes += [f"network.hidden_{head}.units=8", f"network.conv_{head}.filters=8", f"network.pool_{head}.size=3"]
    for module in ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b"):
        filters = FILTERS if module in ("3a", "4a") else dict.fromkeys(FILTERS, 3)
        changes += [f"network.inception_{module}.{key}={value}" for key, value in filters.items()]
    experiment = load(str(shipped.folder() / "googlenet.yaml"), changes)
    heads = list(experiment.heads)
    return Graph.build(experiment.network, (64, 64, 3), [head.input for head in heads]), heads


def sinks(network: Network) -> dict[str, Sink]:
    arrays = {name: np.full_like(array, np.nan) for name, array in network.parameters.items()}
    return {name: Sink(STORE, g, g, np.zeros(3, g.dtype)) for name, g in arrays.items()}


def gradients(graph: Graph, losses: list) -> list[bytes]:
    """Of two steps: the output in training and in evaluation, the inputs' and the parameters' gradients."""
    network = Network(graph, seed=4)
    network.initialise()
    stored = sinks(network)
    network.bind(stored, input_gradient=True)
    found = []
    for step in range(2):
        x = spread((3, *graph.input_shape), step).astype(np.float32)
        found.append(network.forward(x).tobytes())
        found.append(network.forward(x, training=True, step=step).tobytes())
        evaluate_heads(network, losses, np.arange(3) % 2, np.empty((len(losses), 3)))
        network.backward(3)
        found += [array.tobytes() for array in (network.input_gradient(3), *(sink.target for sink in stored.values()))]
    return found


def test_googlenets_modules_have_the_same_bits_on_any_number_of_threads(monkeypatch):
    for module in pkgutil.iter_modules(dlcli.kernels.__path__, "dlcli.kernels."):
        monkeypatch.setattr(f"{module.name}.SERIAL", 0, raising=False)  # else they leave small work to one thread
    graph, losses = googlenet()
    assert len(graph.placed) == 4 * 9
    with mock.patch.object(Graph, "placed", {}):
        expected = gradients(replace(graph), losses)
    before = numba.get_num_threads()
    try:
        for threads in (1, 2, 3):
            numba.set_num_threads(threads)
            assert gradients(graph, losses) == expected
    finally:
        numba.set_num_threads(before)
