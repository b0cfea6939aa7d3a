"""Which arrays of a network are images, and of which shape."""

import numpy as np
import pytest

from dlcli.errors import UsageError
from dlcli.models.images import image_shape, weight_images
from dlcli.trained import open_run
from tests.runs import SUPERVISED, changed, experiment, train

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


@pytest.mark.parametrize("shape", [(6,), (4, 4, 2)])
def test_samples_that_are_no_images(tmp_path, shape):
    with pytest.raises(UsageError, match="expected images of one or three channels"):
        weight_images(trained(tmp_path, shape))
