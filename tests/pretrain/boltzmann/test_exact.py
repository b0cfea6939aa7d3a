"""Partition functions and likelihoods, against loops over all states and differences."""

import math

import numpy as np
import pytest

from dlcli.pretrain.boltzmann import energy
from dlcli.pretrain.boltzmann.energy import Parameters
from dlcli.pretrain.boltzmann.exact import (
    is_small,
    log_likelihood,
    log_partition,
    states,
)
from tests.pretrain.boltzmann.small import binary, rbm, weight
from tests.pretrain.boltzmann.sums import joint_probabilities, likelihood_gradient


def test_states_are_all_and_in_order():
    np.testing.assert_array_equal(states(3), binary(3))
    np.testing.assert_array_equal(states(5, slice(7, 20)), binary(5)[7:20])


@pytest.mark.parametrize(("visible", "hidden"), [(3, 2), (2, 4), (1, 1)])
def test_probabilities_of_a_small_rbm(visible, hidden):
    of = rbm(visible, hidden)
    weights = np.array([[weight(of, v, h) for h in binary(hidden)] for v in binary(visible)])
    assert log_partition(of) == pytest.approx(math.log(weights.sum()))
    assert joint_probabilities(of) == pytest.approx(weights / weights.sum())
    found = log_likelihood(of, np.array(binary(visible)), log_partition(of))
    assert np.exp(found) == pytest.approx(weights.sum(axis=1) / weights.sum())


@pytest.mark.parametrize(("visible", "hidden"), [(3, 2), (2, 4)])
def test_with_labels(visible, hidden):
    of = rbm(visible, hidden, classes=3)
    weights = np.array([[sum(weight(of, v, h, y) for h in binary(hidden)) for y in range(3)] for v in binary(visible)])
    assert log_partition(of) == pytest.approx(math.log(weights.sum()))
    v = np.array(binary(visible))
    for y in range(3):
        found = log_likelihood(of, v, log_partition(of), np.full(len(v), y))
        assert np.exp(found) == pytest.approx(weights[:, y] / weights.sum())
    assert np.exp(log_likelihood(of, v, log_partition(of))) == pytest.approx(weights.sum(axis=1) / weights.sum())


def test_the_density_of_gaussian_units_has_mass_1():
    of = rbm(2, 3, gaussian=True, scale=0.6)
    line = np.arange(-14, 14, 0.1)
    v = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    assert np.exp(log_likelihood(of, v, log_partition(of))).sum() * 0.01 == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(("visible", "hidden"), [(3, 2), (2, 4)])
def test_the_gradient_is_that_of_the_likelihood(visible, hidden):
    of, data = rbm(visible, hidden), np.array(binary(visible))[[1, 3, 3, 0]]
    gradient = likelihood_gradient(of, data)
    for name, array in vars(gradient).items():
        if array is None:
            continue
        for index in np.ndindex(array.shape):
            ends = []
            for sign in (1, -1):
                moved = getattr(of, name).copy()
                moved[index] += sign * 1e-5
                other = Parameters(**(vars(of) | {name: moved}))
                ends.append(log_likelihood(other, data, log_partition(other)).mean())
            assert array[index] == pytest.approx((ends[0] - ends[1]) / 2e-5, abs=1e-8)


def test_grey_samples_give_no_more_than_the_mean_of_their_binary_ones():
    of, grey = rbm(3, 2), np.array([0.2, 0.5, 0.9])
    v = np.array(binary(3))
    chances = np.prod(np.where(v > 0, grey, 1 - grey), axis=1)
    log_z = log_partition(of)
    bound = log_likelihood(of, grey[None], log_z)[0]
    assert bound < chances @ log_likelihood(of, v, log_z)


def test_pieces_change_nothing(monkeypatch):
    machines = [rbm(6, 4), rbm(4, 6), rbm(4, 5, classes=2), rbm(3, 4, gaussian=True)]
    whole = [log_partition(of) for of in machines]
    monkeypatch.setattr(energy, "PIECE", 8 * 100)
    assert [log_partition(of) for of in machines] == pytest.approx(whole, rel=1e-13)


def test_the_smaller_side_decides():
    of = rbm(700, 3, scale=0.1)
    h = np.array(binary(3))
    expected = h @ of.hidden_bias + np.log1p(np.exp(of.visible_bias + h @ of.weights.T)).sum(axis=1)
    assert log_partition(of) == pytest.approx(math.log(np.exp(expected - expected.max()).sum()) + expected.max())
    assert log_partition(of.swapped()) == pytest.approx(log_partition(of))
    assert is_small(of)
    assert is_small(of.swapped())
    assert not is_small(rbm(21, 21))
    assert not is_small(rbm(3, 21, gaussian=True))


def test_too_many_units_are_refused():
    message = "found 21 units whose states are to be visited one by one, expected 20 at most"
    with pytest.raises(ValueError, match=message):
        log_partition(rbm(30, 21))
    with pytest.raises(ValueError, match=message):
        log_partition(rbm(3, 21, gaussian=True))
