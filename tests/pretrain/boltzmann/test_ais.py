"""Annealed importance sampling, against exact partition functions."""

import math

import numpy as np
import pytest

from dlcli.pretrain.boltzmann import ais, energy, exact
from tests.pretrain.boltzmann.small import rbm

LARGER = rbm(20, 10, seed=3, scale=0.8)


def linear(steps):
    return np.linspace(0, 1, steps + 1)


def test_the_schedule_goes_from_0_to_1():
    betas = ais.graded(50)
    assert len(betas) == 51
    assert (betas[0], betas[-1]) == (0, 1)
    assert np.all(np.diff(betas) > 0)
    paper = ais.graded(14500)
    assert [paper[500], paper[4500]] == pytest.approx([0.5, 0.9])


def test_base_rates_are_smoothed():
    v = np.array([[1, 0, 1], [1, 0, 0], [1, 0, 1]])
    assert 1 / (1 + np.exp(-ais.base_rates(v))) == pytest.approx([3.5 / 4, 0.5 / 4, 2.5 / 4])


@pytest.mark.parametrize("schedule", [ais.graded, linear])
def test_it_is_within_a_twentieth_of_a_nat(schedule):
    found = ais.estimate_log_partition(LARGER, betas=schedule(1000), chains=200, seed=1)
    log_z = exact.log_partition(LARGER)
    assert found.log_z == pytest.approx(log_z, abs=0.05)
    assert found.low < log_z < found.high
    assert found.high - found.low < 0.2
    assert 100 < found.effective_chains <= found.chains == 200


def test_few_steps_give_no_bias():
    """The mean of the weights is Z / Z_0 for any number of steps, if weights and transitions are right."""
    of = rbm(5, 3, seed=5)
    base = np.linspace(-1, 1, 5)
    ratios = [
        math.exp(ais.estimate_log_partition(of, base, betas=np.array([0, 0.3, 0.8, 1]), chains=500, seed=seed).log_z)
        for seed in range(60)
    ]
    ratios = np.array(ratios) / math.exp(exact.log_partition(of))
    error = ratios.std() / math.sqrt(len(ratios))
    assert error < 0.02
    assert abs(ratios.mean() - 1) < 3 * error


def test_labels_are_a_group_of_which_one_is_on():
    of, base = rbm(5, 3, seed=5, classes=3), np.linspace(-1, 1, 5)
    log_z = exact.log_partition(of)
    found = ais.estimate_log_partition(of, base, betas=linear(500), chains=200, seed=1)
    assert found.log_z == pytest.approx(log_z, abs=0.05)
    assert found.low < log_z < found.high
    few = [
        ais.estimate_log_partition(of, base, betas=np.array([0, 0.3, 0.8, 1]), chains=500, seed=s) for s in range(60)
    ]
    ratios = np.exp([each.log_z - log_z for each in few])
    assert abs(ratios.mean() - 1) < 3 * ratios.std() / math.sqrt(len(ratios)) < 0.06


def test_labels_are_drawn_from_their_softmax():
    v, inputs = np.empty((20_000, 5)), np.array([[0.5, -1.0, 0.0, 1.0, 2.0]])
    ais._draw(v, np.broadcast_to(inputs, v.shape), 3, np.random.default_rng(1))
    assert (v[:, 2:].sum(axis=1) == 1).all()
    p = np.concatenate([1 / (1 + np.exp(-inputs[0, :2])), np.exp([0.0, 1, 2]) / np.exp([0.0, 1, 2]).sum()])
    np.testing.assert_allclose(v.mean(axis=0), p, atol=4 * 0.5 / 20_000**0.5)


def test_better_base_rates_lower_the_spread():
    of = rbm(20, 10, seed=3, scale=0.2)
    of = energy.Parameters(of.weights, np.linspace(-4, 4, 20), of.hidden_bias)
    spread = [
        ais.estimate_log_partition(of, base, betas=linear(20), chains=200).effective_chains
        for base in (None, np.linspace(-4, 4, 20))
    ]
    assert spread[0] < spread[1]


def test_the_interval_is_of_the_mean_of_the_weights():
    found = ais._estimate(np.log([1.0, 2.0, 3.0, 2.0]) + 700, 5.0)
    error = np.std([1, 2, 3, 2], ddof=1) / 2
    assert found.log_z == pytest.approx(705 + math.log(2))
    assert found.high == pytest.approx(705 + math.log(2 + 3 * error))
    assert found.low == pytest.approx(705 + math.log(2 - 3 * error))
    assert found.effective_chains == pytest.approx(64 / 18)
    assert ais._estimate(np.log([1e-9, 1.0]), 0.0).low == -math.inf


def test_chains_are_functions_of_the_seed_and_come_in_pieces(monkeypatch):
    def run(seed, chains=20):
        return ais.estimate_log_partition(LARGER, betas=linear(10), chains=chains, seed=seed)

    assert run(1) == run(1)
    assert run(1) != run(2)
    monkeypatch.setattr(energy, "PIECE", 8 * 4 * 30 * 10)  # ten chains at a time
    assert run(1, 10) != run(1, 20)
    assert len({run(1, chains).log_z for chains in (10, 20, 30)}) == 3


def test_what_cannot_be_estimated_is_refused():
    with pytest.raises(ValueError, match="found Gaussian units"):
        ais.estimate_log_partition(rbm(3, 2, gaussian=True), betas=linear(10))
    with pytest.raises(ValueError, match="found 1 chains"):
        ais.estimate_log_partition(LARGER, betas=linear(10), chains=1)
    for betas in ([0, 0.5], [0.1, 1], [0, 0.7, 0.6, 1], [1]):
        with pytest.raises(ValueError, match="not decreasing"):
            ais.estimate_log_partition(LARGER, betas=np.array(betas))
