"""Losses and errors over a data set."""

import numpy as np
import pytest

from dlcli.data.pipeline import BatchSource
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
