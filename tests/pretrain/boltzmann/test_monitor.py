"""What an epoch says of an RBM with doubled inputs, against sums over the states of units that stand there twice."""

import numpy as np
import pytest

from dlcli.pretrain.boltzmann.energy import chosen_bits
from dlcli.pretrain.boltzmann.monitor import Monitor, monitored, whole
from dlcli.pretrain.boltzmann.rbm import Factors, Rbm
from dlcli.pretrain.units.binary import Binary
from dlcli.pretrain.units.gaussian import Gaussian
from tests.pretrain.boltzmann.small import binary

COPIES = {(1.0, 1.0): (1, 1, 1.0), (2.0, 1.0): (2, 1, 1.0), (1.0, 2.0): (1, 2, 1.0), (2.0, 2.0): (1, 1, 2.0)}
FACTORS = [Factors(*pair) for pair in COPIES]
UNITS = 4, 3


def machine(factors):
    rng = np.random.default_rng(5)
    arrays = (rng.normal(size=shape).astype(np.float32) for shape in (UNITS, *UNITS))
    return Rbm(*arrays, Binary(), Binary(), factors=factors)


def naive_free_energy(of: Rbm, sides):
    """−log of a sum over the states of every hidden unit of e^{−E}; ``sides``, the states of the visible units."""
    _, hidden, scale = COPIES[tuple(of.factors)]
    inputs = [scale * sum(v @ of.weights.astype(np.float64) for v in sides) + of.hidden_bias] * hidden
    total = np.log(sum(np.exp(np.concatenate(inputs) @ h) for h in np.array(binary(hidden * UNITS[1]))))
    return -total - sum(v @ of.visible_bias.astype(np.float64) for v in sides)


@pytest.mark.parametrize("factors", FACTORS)
def test_rows_are_those_of_the_machine_in_which_units_stand_twice(factors):
    of = machine(factors)
    seen = COPIES[tuple(factors)][0]
    train, held_out = (np.random.default_rng(seed).integers(0, 2, (6, 4)).astype(np.float64) for seed in (1, 2))
    monitor = Monitor(of, train.astype(np.float32), seed=3)
    expected = []
    for v, bit in zip(held_out, chosen_bits(seen * 4, 3, 0, np.arange(6)), strict=True):
        flipped = v.copy()
        flipped[bit % 4] = 1 - v[bit % 4]
        gap = naive_free_energy(of, [flipped, *[v] * (seen - 1)]) - naive_free_energy(of, [v] * seen)
        expected.append(-4 * np.log1p(np.exp(-gap)))
    found = monitor.held_out(held_out)
    assert found["pseudo_log_likelihood"] == pytest.approx(np.mean(expected), rel=1e-5)
    means = [np.mean([naive_free_energy(of, [v] * seen) for v in x]) for x in (held_out, train)]
    assert found["free_energy_gap"] == pytest.approx(means[0] - means[1], rel=1e-5)
    assert monitor.training().keys() == {"pseudo_log_likelihood"}


@pytest.mark.parametrize("factors", FACTORS)
def test_its_units_get_what_those_of_the_rbm_get(factors):
    of = machine(factors)
    seen, hidden, _ = COPIES[tuple(factors)]
    v, h = (np.array(binary(units), np.float64) for units in UNITS)
    up, down = factors.up * v @ of.weights + of.hidden_bias, factors.down * h @ of.weights.T + of.visible_bias
    np.testing.assert_allclose(whole(of).activations(np.tile(v, (1, seen))), np.tile(up, (1, hidden)), rtol=1e-6)
    np.testing.assert_allclose(
        whole(of).swapped().activations(np.tile(h, (1, hidden))), np.tile(down, (1, seen)), rtol=1e-6
    )


def test_variances_are_the_machines_own():
    of = machine(Factors())
    for log_variance, expected in ((None, np.ones(4)), (np.float32([0, 1, 2, -1]), np.exp([0, 1, 2, -1]))):
        gaussian = Rbm(of.weights, of.visible_bias, of.hidden_bias, Gaussian(), Binary(), log_variance=log_variance)
        np.testing.assert_allclose(whole(gaussian).variances, expected, rtol=1e-6)
        assert monitored(gaussian, np.zeros((2, 4)), 1).held_out(np.ones((2, 4))).keys() == {"free_energy_gap"}
