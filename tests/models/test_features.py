"""A layer's output, against sums in float64 made by hand."""

import numpy as np
import pytest

from dlcli.errors import UsageError
from dlcli.models.features import chosen_layer, features
from dlcli.trained import open_run, own_data
from tests.runs import PRETRAINED, SUPERVISED, changed, experiment, train


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    directory = tmp_path_factory.mktemp("features") / "run"
    train(directory, experiment(PRETRAINED))
    return open_run(directory)


def by_hand(trained, x, layers):
    for name in layers:
        weights, bias = (
            trained.network.parameters[f"{name}/{kind}"].astype(np.float64) for kind in ("weights", "bias")
        )
        x = 1 / (1 + np.exp(-(x.astype(np.float64) @ weights + bias)))
    return x


@pytest.mark.parametrize(("layer", "passed"), [("hidden1", 1), ("dropout_1", 1), ("hidden2", 2), (None, 2)])
def test_they_are_the_layers_output_in_evaluation_mode(trained, layer, passed):
    x = np.random.default_rng(1).normal(size=(230, 6)).astype(np.float32)
    (found,) = [np.concatenate(list(features(trained, [trained.source(x)], layer)))]
    transformed = next(trained.source(x).iterate(230)).x
    np.testing.assert_allclose(found, by_hand(trained, transformed, ("hidden1", "hidden2")[:passed]), atol=1e-6)


def test_they_are_copies(trained):
    x = np.zeros((2, 6), np.float32)
    first, second = features(trained, [trained.source(x), trained.source(x + 1)], "hidden1")
    assert not np.array_equal(first, second)


def test_of_a_split_they_are_those_of_its_samples(trained):
    split, source = own_data(trained, "validation")
    assert (split, len(source)) == ("validation", 12)
    assert np.concatenate(list(features(trained, [source]))).shape == (12, 4)


def test_a_layer_that_there_is_not(trained):
    with pytest.raises(UsageError, match="hiden.; expected one of: hidden1, dropout_1, hidden2, output"):
        chosen_layer(trained, "hiden")


def test_without_a_hidden_layer_one_must_be_named(tmp_path):
    of = changed(SUPERVISED, training__epochs=0)
    train(tmp_path / "run", experiment(of, network=[{"type": "dense", "name": "output", "units": 3}]))
    trained = open_run(tmp_path / "run")
    with pytest.raises(UsageError, match="output takes the samples themselves"):
        chosen_layer(trained)
    assert chosen_layer(trained, "output").shape == (3,)
