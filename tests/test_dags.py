"""Networks of any shape: forward as a naive walk has it, gradients as differences have them, in shared memory."""

from dataclasses import replace
from unittest import mock

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dlcli.arena import Life
from dlcli.graph import Graph
from dlcli.kernels.sink import STORE
from dlcli.layers.base import Sink
from dlcli.losses.mean_squared_error import MeanSquaredError
from dlcli.network import Network
from dlcli.training.gradcheck import gradcheck
from tests.layers.case import spread
from tests.test_expansion import elements

WIDTH = 3
JOINS = ("add", "multiply", "concat")


@st.composite
def networks(draw) -> list[dict]:
    """Layers a0, a1, … of which each takes any outputs before it, and one that gathers those left over."""
    written: list[dict] = []
    unused: list[str] = []
    for index in range(draw(st.integers(2, 6))):
        before = ["input", *(f"a{i}" for i in range(index))]
        kind = draw(st.sampled_from(("dense", "shared", *JOINS) if index else ("dense",)))
        if kind in JOINS:
            taken = draw(st.lists(st.sampled_from(before), min_size=2, max_size=3))
            layer = {"type": kind, "inputs": taken}
        else:
            taken = [draw(st.sampled_from(before))]
            layer = {"type": "dense", "units": WIDTH, "activation": "tanh", "inputs": taken}
            owners = [w["name"] for w in written if w["type"] == "dense" and "share" not in w and w["wide"] == WIDTH]
            if kind == "shared" and owners:
                layer["share"] = draw(st.sampled_from(owners))
        if layer["type"] == "concat":  # back to the common width, so that anything may follow
            written.append({**layer, "name": f"b{index}", "wide": 0})
            layer = {"type": "dense", "units": WIDTH, "inputs": [f"b{index}"]}
        wide = len(taken) * WIDTH if layer["inputs"][0].startswith("b") else WIDTH
        written.append({**layer, "name": f"a{index}", "wide": wide})
        unused = [name for name in unused if name not in taken] + [f"a{index}"]
    written.append({"type": "concat", "name": "output", "inputs": unused, "wide": 0})
    return [{key: value for key, value in layer.items() if key != "wide"} for layer in written]


def naive(written: list[dict], parameters: dict[str, np.ndarray], x: np.ndarray) -> np.ndarray:
    found = {"input": x}
    for layer in written:
        given = [found[name] for name in layer["inputs"]]
        if layer["type"] == "concat":
            y = np.concatenate(given, axis=1)
        elif layer["type"] == "add":
            y = sum(given[1:], given[0])
        elif layer["type"] == "multiply":
            y = np.prod(given, axis=0)
        else:
            owner = layer.get("share", layer["name"])
            y = given[0] @ parameters[f"{owner}/weights"] + parameters[f"{owner}/bias"]
            y = np.tanh(y) if layer.get("activation") else y
        found[layer["name"]] = y
    return found["output"]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(networks(), st.integers(0, 9))
def test_any_network_computes_what_it_says_and_its_gradient(written, seed):
    graph = Graph.build(elements(*written), (WIDTH,))
    network = Network(graph, dtype=np.float64, seed=seed)
    network.initialise()
    x = spread((2, WIDTH), seed)
    assert np.allclose(network.forward(x), naive(written, network.parameters, x), rtol=1e-12, atol=1e-12)
    targets = spread((2, *graph.output_shape), seed + 1)
    results = list(gradcheck(graph, MeanSquaredError(), x, targets, seed=seed, samples=3))
    assert all(result.passed for result in results), results


def apart(lives: list[Life]) -> tuple[list[int], int]:
    """Places for arrays none of which shares any."""
    ends = np.cumsum([life.size for life in lives]).tolist()
    return [end - life.size for end, life in zip(ends, lives, strict=True)], ends[-1]


def passed(graph: Graph, names: set[str], seed: int) -> list[bytes]:
    """What two passes leave: the output, the input's gradient and those of the parameters named."""
    network = Network(graph, seed=seed)
    network.initialise()
    gradients = {name: np.full_like(network.parameters[name], np.nan) for name in sorted(names)}
    unused = np.zeros(3, np.float32)
    network.bind({name: Sink(STORE, g, g, unused) for name, g in gradients.items()}, input_gradient=True)
    for step in range(2):
        y = network.forward(spread((2, WIDTH), seed + step), training=True, step=step)
        network.output_gradient(2)[:] = spread((2, *graph.output_shape), seed + 8 + step)
        network.backward(2)
    return [array.tobytes() for array in (y, network.input_gradient(2), *gradients.values())]


@settings(max_examples=25, deadline=None)
@given(networks(), st.integers(0, 9), st.data())
def test_writing_into_a_concats_output_changes_no_bit(written, seed, data):
    graph = Graph.build(elements(*written), (WIDTH,))
    names = data.draw(st.sets(st.sampled_from(sorted(graph.parameters))))
    results = passed(graph, names, seed)
    with mock.patch.object(Graph, "placed", {}):
        assert passed(replace(graph), names, seed) == results


@settings(max_examples=25, deadline=None)
@given(networks(), st.integers(0, 9), st.data())
def test_sharing_memory_changes_no_bit(written, seed, data):
    graph = Graph.build(elements(*written), (WIDTH,))
    names = data.draw(st.sets(st.sampled_from(sorted(graph.parameters))))
    with mock.patch("dlcli.backward.lay_out", apart):
        expected = passed(graph, names, seed)
    assert passed(graph, names, seed) == expected
