"""A contractive penalty is of the very layer that it is tied to, whose units it must know."""

import re

import pytest

from dlcli.errors import MisfitError
from dlcli.graph import Graph
from tests.layers.harness import layer_of


def dense(activation="sigmoid", name="code"):
    return {"type": "dense", "name": name, "units": 3, "activation": activation}


def function(name):
    return {"type": "activation", "function": name}


def contraction(activation="sigmoid", **options):
    return {"type": "contraction", "tied_to": "code", "fan_in": 3, "activation": activation, "weight": 1.0} | options


def build(*layers):
    return Graph.build(map(layer_of, layers), (3,))


@pytest.mark.parametrize(
    "layers",
    [
        [dense(), contraction()],
        [dense("tanh"), contraction("tanh")],
        [dense(), {"type": "sparsity", "l1": 1.0}, contraction()],
        [dense("linear"), function("tanh"), contraction("tanh")],
        [dense("linear"), function("sigmoid"), {"type": "flatten"}, contraction(), dense(name="other")],
    ],
)
def test_it_stands_behind_units_of_its_kind(layers):
    build(*layers)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([dense(), contraction("tanh")], "is of tanh units, and 'code' is sigmoid"),
        ([dense("linear"), contraction()], "is of sigmoid units, and 'code' is linear"),
        ([dense("relu"), contraction()], "is of sigmoid units, and 'code' is relu"),
        ([dense("linear"), function("tanh"), contraction()], "is of sigmoid units, and 'code' is tanh"),
        ([dense(), function("tanh"), contraction("tanh")], "is of tanh units, and 'code' is sigmoid and tanh"),
        ([dense(), dense(name="other"), contraction()], "expected a dense layer whose output it takes"),
        ([dense(), {"type": "dropout", "rate": 0.5}, contraction()], "expected a dense layer whose output it takes"),
        ([dense(), contraction(inputs=["input"]), {"type": "add", "inputs": ["code", "contraction_1"]}], "expected a"),
    ],
)
def test_other_layers_are_refused(layers, message):
    with pytest.raises(MisfitError, match=re.escape(message)):
        build(*layers)
