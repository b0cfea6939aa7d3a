"""What the common layer test does not see of `rbf`: its codes, and how it fits a loss."""

import numpy as np
import pytest
from pydantic import ValidationError

from dlcli.errors import MisfitError
from dlcli.graph import Graph
from dlcli.layers.digit_codes import digit_codes
from dlcli.losses.softmax_cross_entropy import SoftmaxCrossEntropy
from dlcli.network import Network
from tests.layers.harness import layer_of


def network(shape, **options):
    made = Network(Graph.build([layer_of({"type": "rbf", "name": "output", **options})], shape), dtype=np.float64)
    made.initialise()
    return made


def test_codes_of_digits_are_distinct_pictures():
    codes = np.array(digit_codes())
    assert codes.shape == (10, 84)
    assert set(codes.reshape(-1)) == {-1.0, 1.0}
    apart = ((codes[:, None] - codes) ** 2).sum(2) / 4  # pixels in which two differ
    assert apart[~np.eye(10, dtype=bool)].min() >= 7


def test_fixed_codes_are_no_parameters_and_the_nearest_wins():
    codes = np.array(digit_codes())
    fixed = network((84,), units=10)
    assert fixed.graph.parameter_count == 0
    outputs = fixed.forward(0.7 * codes + 0.1)
    assert (outputs.argmax(1) == np.arange(10)).all()
    assert (fixed.forward(codes)[np.arange(10), np.arange(10)] == 0).all()


def test_trainable_codes_start_as_the_fixed_ones():
    trainable, fixed = network((84,), units=7, trainable=True), network((84,), units=7)
    np.testing.assert_array_equal(trainable.parameters["output/weights"], np.array(digit_codes()[:7]).T)
    x = np.random.default_rng(0).normal(size=(3, 84))
    np.testing.assert_array_equal(trainable.forward(x), fixed.forward(x))


def test_softmax_cross_entropy_is_the_papers_criterion():
    """Eq. (9) without e^−j: the penalty of the right class + log Σ e^−penalty."""
    x = np.random.default_rng(1).normal(size=(4, 84)) * 0.02 + np.array(digit_codes())[[3, 8, 0, 5]] * 0.05
    penalties = ((x[:, :, None] - np.array(digit_codes()).T) ** 2).sum(1)
    labels, losses = np.array([8, 8, 0, 1]), np.empty(4)
    SoftmaxCrossEntropy().evaluate(network((84,), units=10).forward(x), labels, losses)
    least = penalties.min(1)
    expected = penalties[range(4), labels] - least + np.log(np.exp(least[:, None] - penalties).sum(1))
    np.testing.assert_allclose(losses, expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"units": 11}, "found 11 units, expected at most 10"),
        ({"units": 3, "codes": [[1.0], [2.0]]}, "found 2 codes, expected 3"),
        ({"units": 2, "codes": [[1.0], [2.0, 3.0]]}, "found codes of 1 and 2 numbers"),
    ],
)
def test_codes_that_do_not_fit_are_refused(options, message):
    with pytest.raises(ValidationError, match=message):
        layer_of({"type": "rbf", **options})


def test_inputs_that_do_not_fit_given_codes_are_refused():
    with pytest.raises(MisfitError, match="has codes of 2 numbers, found 3 inputs"):
        network((3,), units=1, codes=[[0.0, 1.0]])
