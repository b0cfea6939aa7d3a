"""Losses and errors over a data set."""

import numpy as np
import pytest

from dlcli.data.pipeline import BatchSource
from dlcli.data.transforms.centre_crop import CentreCrop
from dlcli.graph import Graph
from dlcli.layers.dense import Dense
from dlcli.losses.mean_squared_error import MeanSquaredError
from dlcli.losses.sigmoid_cross_entropy import SigmoidCrossEntropy
from dlcli.losses.softmax_cross_entropy import SoftmaxCrossEntropy
from dlcli.network import Network
from dlcli.training.measure import measure, predicted_classes


def network(units):
    """Outputs are the inputs, column by column."""
    result = Network(Graph.build([Dense(name="output", units=units)], (units,)))
    result.parameters["output/weights"][...] = np.eye(units)
    return result


def test_ranks_and_errors_of_a_classification():
    x = np.array([[3, 2, 1], [1, 2, 3], [1, 3, 2], [2, 2, 2], [np.nan, 1, 0]], np.float32)
    found = measure(network(3), SoftmaxCrossEntropy(), BatchSource(x, np.array([0, 0, 2, 1, 1])), 2)
    assert found.predicted[:4].tolist() == [0, 2, 1, 0]
    assert found.ranks.tolist() == [0, 2, 1, 0, 3]  # nothing is known of outputs that are NaN: the worst
    assert found.top_error(1) == 3 / 5
    assert found.top_error(2) == 2 / 5
    assert found.metrics().keys() == {"loss", "error"}
    assert found.losses[3] == pytest.approx(np.log(3))


@pytest.mark.parametrize(("outputs", "crops"), [(5, 1), (6, 1), (6, 5)])
def test_of_more_than_five_classes_the_top_five_error_is_a_metric(outputs, crops):
    x = np.tile(np.arange(outputs, dtype=np.float32), (4, 3, 1)).reshape(4, 1, 3, outputs)
    targets = np.array([0, 1, outputs - 1, 0])
    crop = [CentreCrop(size=(1, 1))]
    net = Network(Graph.build([Dense(name="output", units=outputs)], (1, 1, outputs)))
    net.parameters["output/weights"][...] = np.eye(outputs)
    found = measure(net, SoftmaxCrossEntropy(), BatchSource(x, targets, crop), 3, crops).metrics()
    assert found["error"] == 3 / 4
    assert found.get("top5_error") == (1 / 2 if outputs > 5 else None)


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_the_cut_into_batches_changes_no_bit(size):
    random = np.random.default_rng(0)
    source = BatchSource(random.normal(size=(11, 4)).astype(np.float32), np.arange(11) % 4)
    whole, cut = (measure(network(4), SoftmaxCrossEntropy(), source, batch) for batch in (11, size))
    assert cut.losses.tobytes() == whole.losses.tobytes()
    assert (cut.loss, cut.error, cut.top_error(2)) == (whole.loss, whole.error, whole.top_error(2))


def test_one_output_decides_between_two_classes_by_its_sign():
    assert predicted_classes(np.array([[-1.0], [0.0], [1e-9]])).tolist() == [0, 0, 1]
    x = np.array([[-1], [2], [3]], np.float32)
    found = measure(network(1), SigmoidCrossEntropy(), BatchSource(x, np.array([0, 1, 0])), 3)
    assert found.error == 1 / 3
    assert found.ranks.tolist() == [0, 0, 1]


@pytest.mark.parametrize("size", [1, 2, 5])
@pytest.mark.parametrize("ignored", [1, 3])
def test_errors_leave_out_samples_of_an_ignored_class(size, ignored):
    """Class 3 is one that the network has no output for."""
    x = np.array([[3, 2, 1], [1, 2, 3], [1, 3, 2], [3, 2, 1], [2, 1, 3]], np.float32)
    source = BatchSource(x, np.array([0, ignored, 2, ignored, 0]))
    found = measure(network(3), SoftmaxCrossEntropy(ignored_label=ignored), source, size)
    assert found.targets.tolist() == [0, 2, 0]
    assert found.predicted.tolist() == [0, 1, 2]
    assert found.ranks.tolist() == [0, 1, 1]
    assert found.error == 2 / 3
    assert found.top_error(2) == 0
    assert np.flatnonzero(found.losses).tolist() == [0, 2, 4]
    assert found.loss == pytest.approx(found.losses.sum() / 5)  # the mean is over all samples


def test_where_none_counts_there_is_no_mistake():
    source = BatchSource(np.zeros((2, 3), np.float32), np.array([1, 1]))
    assert measure(network(3), SoftmaxCrossEntropy(ignored_label=1), source, 2).metrics() == {"loss": 0, "error": 0}


def test_a_regression_has_losses_alone():
    x = np.array([[1, 2], [3, 4]], np.float32)
    found = measure(network(2), MeanSquaredError(), BatchSource(x, x + 1), 2)
    assert found.metrics() == {"loss": 1.0}
    assert (found.error, found.top_error(5), found.targets, found.predicted) == (None, None, None, None)


IMAGES = np.random.default_rng(4).normal(size=(9, 5, 6, 1)).astype(np.float32)
TARGETS = np.arange(9) % 3
WEIGHTS = np.array([1, 1.5, 0.5])  # so that an image and its mirror image differ
CROP = [CentreCrop(size=(1, 3))]  # the network's outputs are a crop's pixels, weighted


def crops_of(image, crops):
    five = [image[i, j : j + 3, 0] for i in (0, 4) for j in (0, 3)] + [image[2, 1:4, 0]]
    return five if crops == 5 else five + [crop[::-1] for crop in five]


@pytest.mark.parametrize("size", [1, 2, 9])
@pytest.mark.parametrize("crops", [5, 10])
def test_probabilities_are_averaged_over_crops(crops, size):
    found = measure(flat_network(), SoftmaxCrossEntropy(), BatchSource(IMAGES, TARGETS, CROP), size, crops)
    for n in range(9):
        p = np.zeros(3)
        for crop in crops_of(IMAGES[n], crops):
            powers = np.exp(crop.astype(np.float64) * WEIGHTS)
            p += powers / powers.sum() / crops
        assert found.losses[n] == pytest.approx(-np.log(p[TARGETS[n]]), rel=1e-6)
        assert found.predicted[n] == p.argmax()
        assert found.ranks[n] == (p > p[TARGETS[n]]).sum()
    assert found.targets.tolist() == TARGETS.tolist()
    assert 0 < found.error < 1


def flat_network():
    result = Network(Graph.build([Dense(name="output", units=3)], (1, 3, 1)))
    result.parameters["output/weights"][...] = np.diag(WEIGHTS)
    return result


def test_a_class_that_no_crop_allows_for_costs_infinity():
    x = np.broadcast_to(np.float32([0, 4e4, 1.6e5, 6.4e5, 2.56e6, 1.024e7]), (2, 5, 6)).reshape(2, 5, 6, 1)
    found = measure(flat_network(), SoftmaxCrossEntropy(), BatchSource(x, np.array([0, 2]), CROP), 2, 5)
    assert found.losses.tolist() == [np.inf, 0]


def test_one_output_averages_over_crops_too():
    result = Network(Graph.build([Dense(name="output", units=1)], (1, 1, 1)))
    result.parameters["output/weights"][...] = 1
    x = np.array([[[2, 0, -3]] * 3], np.float32).reshape(1, 3, 3, 1)
    found = measure(result, SigmoidCrossEntropy(), BatchSource(x, np.array([1]), [CentreCrop(size=(1, 1))]), 1, 5)
    p = np.mean([1 / (1 + np.exp(-value)) for value in (2, -3, 2, -3, 0)])
    assert found.losses[0] == pytest.approx(-np.log(p), rel=1e-6)
    assert found.predicted.tolist() == [int(p > 0.5)]
