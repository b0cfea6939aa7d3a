"""Which arrays of a network are images, and of which shape."""

import numpy as np
import pytest

from dlcli.errors import CheckpointError, UsageError
from dlcli.models.images import image_shape, weight_images
from dlcli.trained import open_run
from tests.runs import PRETRAINED, SUPERVISED, changed, experiment, train

LAYERS = SUPERVISED["network"]


def trained(folder, shape, network=LAYERS, transform=()):
    source = {"type": "synthetic", "shape": list(shape), "classes": 3, "samples": 30}
    of = changed(SUPERVISED, data__source=source, data__transform=list(transform), training__epochs=0)
    train(folder / "run", experiment(of, network=list(network)))
    return open_run(folder / "run")


@pytest.mark.parametrize(
    ("shape", "transform", "expected"),
    [
        ((4, 5, 1), [], (4, 5, 1)),
        ((4, 5, 3), [], (4, 5, 3)),
        ((4, 5, 3), ["flatten"], (4, 5, 3)),
        ((9,), [], (3, 3, 1)),
    ],
)
def test_dense_weights_have_the_shape_of_the_samples(tmp_path, shape, transform, expected):
    run = trained(tmp_path, shape, transform=transform)
    assert image_shape(run) == expected
    name, images = weight_images(run)
    assert (name, images.shape) == ("hidden1", (5, *expected))
    for unit in range(5):
        np.testing.assert_array_equal(images[unit].ravel(), run.network.parameters["hidden1/weights"][:, unit])


def test_filters_are_images(tmp_path):
    conv = {"type": "conv2d", "name": "conv", "filters": 2, "kernel_size": [2, 3]}
    other = {"type": "conv2d", "name": "other", "filters": 4, "kernel_size": 1}
    run = trained(tmp_path, (6, 6, 3), [conv, other, *LAYERS])
    name, images = weight_images(run)
    assert (name, images.shape) == ("conv", (2, 2, 3, 3))
    for filter_ in range(2):
        np.testing.assert_array_equal(images[filter_], run.network.parameters["conv/weights"][..., filter_])
    with pytest.raises(UsageError, match="other has filters on 2 channels, expected filters on one or three"):
        weight_images(run, "other")
    with pytest.raises(UsageError, match=r"hidden1 \(dense\) does not look at the samples"):
        weight_images(run, "hidden1")
    with pytest.raises(UsageError, match="dropout_1 has no weights"):
        weight_images(run, "dropout_1")


def test_what_only_passes_the_samples_on_does_not_stand_between(tmp_path):
    run = trained(tmp_path, (4, 4, 1), [{"type": "dropout", "rate": 0.5}, {"type": "flatten"}, *LAYERS])
    assert weight_images(run)[1].shape == (5, 4, 4, 1)


JOINT = {"epochs": 1, "sgd": {"learning_rate": 0.05}}


def pretrained(folder, method, network=LAYERS, stages="all", **changes):
    """A run on images of 4 × 4."""
    source = {"type": "synthetic", "shape": [4, 4, 1], "classes": 3, "samples": 30}
    scaled = [{"type": "scale", "by": 0.05, "offset": 0.5}]
    changes |= {"data__source": source, "data__transform": scaled, "network": network, "pretrain__method": method}
    train(folder / "run", experiment(PRETRAINED, **changes), stages=stages)
    return open_run(folder / "run")


@pytest.mark.parametrize(
    ("method", "model"), [("rbm", "rbm"), ("boltzmann_machine", "machine"), ("autoencoder", "encoder")]
)
def test_those_of_pretraining_are_shown_where_they_are_asked_for(tmp_path, method, model):
    run = pretrained(tmp_path, method)
    now, then = run.network.parameters["hidden1/weights"], run.models[f"hidden1.{model}/weights"]
    assert not np.array_equal(now, then)
    for found, expected in ((weight_images(run), now), (weight_images(run, pretrained=True), then)):
        np.testing.assert_array_equal(found[1], expected.T.reshape(5, 4, 4, 1))
    with pytest.raises(UsageError, match="pretraining has kept no weights of output"):
        weight_images(run, "output", pretrained=True)


def test_of_a_directed_layer_they_are_those_for_generation(tmp_path):
    method = {"type": "rbm", "visible": "binary", "up_down": JOINT}
    run = pretrained(tmp_path, method, stages="pretrain")
    generation = run.models["hidden1.generation/weights"]
    np.testing.assert_array_equal(weight_images(run, pretrained=True)[1], generation.reshape(5, 4, 4, 1))


def test_posterior_means_beside_the_samples_are_left_out(tmp_path):
    dense = [layer for layer in LAYERS if layer["type"] == "dense"]
    network = [{"type": "mean_field", "name": "posterior", "units": [5, 4]}, *dense]
    method = {"type": "dbm", "joint_training": JOINT}
    changes = {"pretrain__layers": ["hidden1", "hidden2"]}
    run = pretrained(tmp_path, method, network, **changes)
    weights, machine = run.network.parameters["hidden1/weights"], run.models["hidden1.dbm/weights"]
    assert (weights.shape, machine.shape) == ((20, 5), (16, 5))
    name, images = weight_images(run)
    assert name == "hidden1"
    np.testing.assert_array_equal(images, weights[:16].T.reshape(5, 4, 4, 1))
    np.testing.assert_array_equal(weight_images(run, pretrained=True)[1], machine.T.reshape(5, 4, 4, 1))
    with pytest.raises(UsageError, match=r"hidden2 \(dense\) does not look at the samples"):
        weight_images(run, "hidden2", pretrained=True)
    run.models["hidden1.dbm/weights"] = machine[:, 1:]
    with pytest.raises(CheckpointError, match=r"found \[16, 4\], expected \[16, 5\]"):
        weight_images(run, pretrained=True)


def test_labels_beside_the_samples_are_left_out(tmp_path):
    run = pretrained(tmp_path, "rbm", [{"type": "class_rbm", "name": "top", "units": 7, "classes": 3}], "pretrain")
    weights = run.models["top.rbm/weights"]
    for asked in (False, True):
        np.testing.assert_array_equal(weight_images(run, pretrained=asked)[1], weights[:16].T.reshape(7, 4, 4, 1))


@pytest.mark.parametrize("shape", [(6,), (4, 4, 2)])
def test_samples_that_are_no_images(tmp_path, shape):
    with pytest.raises(UsageError, match="expected images of one or three channels"):
        weight_images(trained(tmp_path, shape))
