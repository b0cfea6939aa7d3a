"""Networks of any shape: forward as a naive walk has it, gradients as differences have them."""

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dlcli.graph import Graph
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
