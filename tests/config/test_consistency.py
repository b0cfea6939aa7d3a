"""Names of layers, in experiments made without a file."""

import pytest

from dlcli.config.consistency import layer_names, misfits
from dlcli.config.load import from_text
from dlcli.errors import MisfitError
from dlcli.expansion import names
from tests.config.conftest import GOOD


def test_layers_are_named_alike_before_and_after_they_are_options():
    raw = [
        "flatten",
        {"type": "dense"},
        {"type": "dense", "name": "a"},
        {"type": "flatten"},
        {"type": "dense", "units": 1},
    ]
    assert layer_names(raw) == ["flatten_1", "dense_1", "a", "flatten_2", "dense_3"]
    network = from_text(GOOD, "f").network
    assert layer_names(network) == names(network) == ["hidden1", "dense_2", "output"]


@pytest.mark.parametrize("raw", [None, 3, {}, [], {"type": []}, {"type": "dense", "name": 3, "inputs": "x"}])
def test_what_is_no_layer_has_no_misfits(raw):
    config = {"network": [raw, raw], "pretrain": {"layers": [raw]}, "loss": "softmax_cross_entropy"}
    assert list(misfits(config)) == []


def test_an_experiment_made_in_python_is_checked_too():
    experiment = from_text(GOOD, "f")
    layers = (experiment.network[0], experiment.network[0])
    with pytest.raises(MisfitError) as caught:
        type(experiment)(**{**dict(experiment), "network": layers})
    assert caught.value.path == ("network", 1, "name")
