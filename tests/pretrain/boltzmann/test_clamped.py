"""Mean field of general Boltzmann machines, and moments of arrays that stay."""

import numpy as np
import pytest

from dlcli.pretrain.boltzmann.clamped import Averages, Clamped
from dlcli.pretrain.boltzmann.machine import Machine, posterior
from tests.pretrain.boltzmann.small import binary
from tests.pretrain.boltzmann.test_machine import machine, off_diagonal


def inferred(of, v, steps, damping) -> Clamped:
    clamped = Clamped(of, len(v), steps, damping)
    clamped.hold(np.array(v, np.float32))
    clamped.mean_field()
    return clamped


def asked(of, s):
    """σ of every hidden unit's total input."""
    return 1 / (1 + np.exp(-(s.astype(np.float64) @ of.couplings[:, of.visible :] + of.bias[of.visible :])))


def test_mean_field_comes_to_a_fixed_point():
    of = machine(3, 4, scale=0.7)
    s = inferred(of, binary(3), 100, 0.5).s
    np.testing.assert_array_equal(s[:, :3], binary(3))
    np.testing.assert_allclose(s[:, 3:], asked(of, s), atol=1e-6)


@pytest.mark.parametrize("steps", [0, 1, 3])
def test_its_steps(steps):
    of, v = machine(3, 4), np.array(binary(3), np.float64)
    expected = asked(of, np.concatenate([v, np.zeros((8, 4))], axis=1))
    for _ in range(steps):
        expected = 0.3 * expected + 0.7 * asked(of, np.concatenate([v, expected], axis=1))
    clamped = inferred(of, v, steps, 0.3)
    np.testing.assert_allclose(clamped.s[:, 3:], expected, atol=1e-6)
    clamped.hold(v.astype(np.float32))  # again, from the start
    clamped.mean_field()
    np.testing.assert_allclose(clamped.s[:, 3:], expected, atol=1e-6)


def test_damping_stills_units_that_drive_each_other():
    of = Machine(np.array([[0, 0, 0], [0, 0, -9], [0, -9, 0]], np.float32), np.array([0, 4, 4], np.float32), 1)

    def residual(damping):
        s = inferred(of, [[1]], 200, damping).s
        return np.abs(asked(of, s) - s[:, 1:]).max()

    assert residual(0.0) > 0.9
    assert residual(0.5) < 1e-6


def test_mean_field_is_exact_without_lateral_couplings():
    of = machine(3, 3)
    of.couplings[3:, 3:] = 0
    clamped = inferred(of, binary(3), 0, 0.5)
    found, means, _ = posterior(of, np.array(binary(3)))
    np.testing.assert_allclose(clamped.s[:, 3:], means, atol=1e-6)
    here = clamped.moments()
    np.testing.assert_allclose(off_diagonal(here.second)[:3], off_diagonal(found.second)[:3], atol=1e-6)
    np.testing.assert_allclose(here.first, found.first, atol=1e-6)


@pytest.mark.parametrize("hidden", [0, 2])
def test_the_cross_entropy_of_a_visible_unit_given_all_others(hidden):
    of = machine(3, hidden)
    clamped = inferred(of, binary(3), 5, 0.5)
    sums = clamped.s.astype(np.float64) @ of.couplings[:, :3] + of.bias[:3]
    expected = np.sum(np.log1p(np.exp(sums)) - np.array(binary(3)) * sums, axis=1)
    np.testing.assert_allclose(clamped.cross_entropies(), expected, rtol=1e-5)


def test_averages_are_of_the_array_as_it_is():
    s = np.random.default_rng(1).random((6, 5), np.float32)
    averages = Averages(s)
    for _ in range(2):
        found = averages.take()
        np.testing.assert_allclose(found.second, s.T @ s / 6, rtol=1e-5)
        np.testing.assert_allclose(found.first, s.mean(axis=0), rtol=1e-5)
        np.testing.assert_array_equal(found.second, found.second.T)
        s[...] = s * 2 - 0.3
