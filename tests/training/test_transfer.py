"""Fine-tuning: what is taken from a checkpoint, what starts anew, what stays."""

import re
from pathlib import Path

import numpy as np
import pytest

from dlcli.errors import CheckpointError, MisfitError, UsageError
from dlcli.graph import Graph
from dlcli.network import Network
from dlcli.training.checkpoint import Checkpoint
from dlcli.training.transfer import frozen, transfer
from tests.test_expansion import dense, elements

PATH = Path("run/last.safetensors")
NET = [dense(4, name="hidden1"), dense(3, name="hidden2"), dense(2, name="output")]


def network(*written: dict, seed: int = 1) -> Network:
    result = Network(Graph.build(elements(*written), (5,)), seed=seed)
    result.initialise()
    return result


def checkpoint_of(net: Network) -> Checkpoint:
    return Checkpoint({**net.tensors, "momentum/hidden1/weights": np.ones(1)}, {"parameters": list(net.tensors)})


def test_layers_are_taken_by_name_and_the_rest_starts_anew():
    trained, net = network(*NET, seed=2), network(NET[0], dense(6, name="wide"), NET[2])
    own = {name: array.copy() for name, array in net.parameters.items()}
    lines = transfer(checkpoint_of(trained), PATH, net, ["out*"])
    assert np.array_equal(net.parameters["hidden1/weights"], trained.parameters["hidden1/weights"])
    for name in ("wide/weights", "output/weights"):
        assert np.array_equal(net.parameters[name], own[name])
    assert lines == [
        f"hidden1: from {PATH}",
        "output: replaced, starts anew",
        "wide: not in the checkpoint, starts anew",
        "hidden2: not in the network, left out",
    ]


def test_another_shape_is_refused_and_nothing_is_changed():
    trained, net = network(*NET, seed=2), network(*NET[:2], dense(7, name="output"))
    before = {name: array.copy() for name, array in net.parameters.items()}
    message = "layer output: found weights of shape [3, 2], expected [3, 7]; give --replace output"
    with pytest.raises(CheckpointError, match=re.escape(message)):
        transfer(checkpoint_of(trained), PATH, net)
    assert all(np.array_equal(net.parameters[name], array) for name, array in before.items())


def test_a_checkpoint_without_any_of_the_layers_is_refused():
    with pytest.raises(CheckpointError, match="found none of the network's layers"):
        transfer(checkpoint_of(network(dense(3, name="other"))), PATH, network(*NET))


def test_a_pattern_that_replaces_nothing_is_refused():
    with pytest.raises(UsageError, match="found no layer 'hiden1' to replace"):
        transfer(checkpoint_of(network(*NET)), PATH, network(*NET), ["hiden1"])


BLOCK = {"type": "residual", "name": "r", "layers": [dense(5)]}


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        ([], set()),
        (["hidden1"], {"hidden1/weights", "hidden1/bias"}),
        (["*/bias"], {"hidden1/bias", "output/bias", "r/main/dense_1/bias"}),
        (["r"], {"r/main/dense_1/weights", "r/main/dense_1/bias"}),
        (["h*", "output/weights"], {"hidden1/weights", "hidden1/bias", "output/weights"}),
    ],
)
def test_patterns_freeze_layers_blocks_and_parameters(patterns, expected):
    graph = Graph.build(elements(BLOCK, NET[0], NET[2]), (5,))
    assert frozen(graph, patterns) == expected


@pytest.mark.parametrize(
    ("patterns", "place", "message"),
    [(["hidden1", "hiden*"], ("freeze", 1), "matches nothing"), (["*"], ("freeze",), "nothing is left to train")],
)
def test_what_cannot_be_frozen_is_refused(patterns, place, message):
    with pytest.raises(MisfitError, match=message) as failure:
        frozen(Graph.build(elements(*NET), (5,)), patterns)
    assert failure.value.path == place
