"""Energies, free energies and pseudo-likelihoods, against sums over all hidden states."""

import math

import numpy as np
import pytest

from dlcli.pretrain.boltzmann import energy as module
from dlcli.pretrain.boltzmann.energy import (
    Parameters,
    chosen_bits,
    estimated_pseudo_log_likelihood,
    free_energy,
    label_free_energies,
    softplus_sum,
)
from tests.pretrain.boltzmann.small import binary, rbm, weight
from tests.pretrain.boltzmann.sums import pseudo_log_likelihood


@pytest.mark.parametrize("gaussian", [False, True])
def test_free_energies(gaussian):
    of = rbm(3, 2, gaussian=gaussian)
    v = np.random.default_rng(1).normal(size=(5, 3)) if gaussian else np.array(binary(3))
    expected = [-math.log(sum(weight(of, row, h) for h in binary(2))) for row in v]
    assert free_energy(of, v) == pytest.approx(expected)


def test_free_energies_of_labels():
    of, v = rbm(3, 2, classes=4), np.array(binary(3))
    expected = [[-math.log(sum(weight(of, row, h, y) for h in binary(2))) for y in range(4)] for row in v]
    assert label_free_energies(of, v) == pytest.approx(np.array(expected))
    with pytest.raises(ValueError, match="has no labels"):
        label_free_energies(rbm(3, 2), v)


def test_pseudo_likelihood():
    of, v = rbm(4, 3), np.array(binary(4))
    p = {tuple(row): math.exp(-free) for row, free in zip(v, free_energy(of, v), strict=True)}
    for row, found in zip(v, pseudo_log_likelihood(of, v), strict=True):
        other = [tuple(1 - x if i == k else x for k, x in enumerate(row)) for i in range(4)]
        assert found == pytest.approx(sum(math.log(p[tuple(row)] / (p[tuple(row)] + p[o])) for o in other))


def test_gaussian_units_have_no_pseudo_likelihood():
    with pytest.raises(ValueError, match="cannot be flipped"):
        estimated_pseudo_log_likelihood(rbm(4, 3, gaussian=True), np.array(binary(4)), np.arange(16) % 4)


def test_the_estimate_is_the_pseudo_likelihood_in_the_mean_over_bits():
    of, v = rbm(4, 3), np.array(binary(4))
    found = [estimated_pseudo_log_likelihood(of, v, np.full(16, bit)) for bit in range(4)]
    assert np.mean(found, axis=0) == pytest.approx(pseudo_log_likelihood(of, v))
    mixed = estimated_pseudo_log_likelihood(of, v, np.arange(16) % 4)
    assert mixed == pytest.approx(np.array(found)[np.arange(16) % 4, np.arange(16)])
    grey = np.where(v > 0, 0.6, 0.3)
    np.testing.assert_array_equal(estimated_pseudo_log_likelihood(of, grey, np.arange(16) % 4), mixed)


def test_a_bit_depends_on_seed_epoch_and_sample_alone():
    bits = chosen_bits(10, 1, 3, np.arange(4000))
    assert np.bincount(bits, minlength=10) == pytest.approx(400, abs=100)
    np.testing.assert_array_equal(chosen_bits(10, 1, 3, np.array([7, 3900])), bits[[7, 3900]])
    for seed, epoch in ((2, 3), (1, 4)):
        assert 0.05 < np.mean(chosen_bits(10, seed, epoch, np.arange(4000)) == bits) < 0.15


def test_large_sums_stay_finite():
    of = Parameters(np.full((3, 2), 1e4), np.full(3, -1e4), np.array([-4e4, 4e4]))
    v = np.array(binary(3))
    assert np.isfinite(free_energy(of, v)).all()
    assert free_energy(of, v)[-1] == pytest.approx(3e4 - 7e4)
    assert np.isfinite(estimated_pseudo_log_likelihood(of, v, np.arange(8) % 3)).all()


@pytest.mark.parametrize("units", [1, 511, 512, 513, 1100])
def test_sums_of_softplus(units):
    x = np.random.default_rng(0).normal(size=(3, units)) * [[0.1], [10.0], [1000.0]]
    expected = [math.fsum(math.log1p(math.exp(-abs(value))) + max(value, 0) for value in row) for row in x]
    np.testing.assert_allclose(softplus_sum(x), expected, rtol=1e-13)


def test_pieces_change_nothing(monkeypatch):
    of, v, bits = rbm(4, 3, classes=2), np.array(binary(4)), np.arange(16) % 4
    functions = (free_energy, label_free_energies)
    whole = [function(of, v) for function in functions] + [estimated_pseudo_log_likelihood(of, v, bits)]
    monkeypatch.setattr(module, "PIECE", 8 * 60)  # three rows, or fewer, at a time
    cut = [function(of, v) for function in functions] + [estimated_pseudo_log_likelihood(of, v, bits)]
    for a, b in zip(whole, cut, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-13)
