"""Contrastive divergence: updates are what their statistics say, chains the model's; it follows the likelihood."""

import numpy as np
import pytest

from dlcli.data.pipeline import Batch, BatchSource
from dlcli.initialisers.zeros import Zeros
from dlcli.layers.base import ParameterSpec
from dlcli.optim.schedules.base import Clock
from dlcli.optim.sgd import Sgd
from dlcli.pretrain.boltzmann import exact
from dlcli.pretrain.boltzmann.divergence import ContrastiveDivergence, Names
from dlcli.pretrain.boltzmann.energy import Parameters, free_energy
from dlcli.pretrain.boltzmann.rbm import Factors, Rbm
from dlcli.pretrain.boltzmann.statistics import Chains, Sparsity
from dlcli.pretrain.units.binary import Binary
from dlcli.pretrain.units.gaussian import Gaussian
from dlcli.pretrain.units.relu import Relu
from dlcli.pretrain.units.softmax import Softmax
from tests.pretrain.boltzmann.sums import likelihood_gradient

NAMES = Names("hidden1")
CD1 = Chains()


def machine(inputs=6, units=4, *, seed=0, scale=0.5, dtype=np.float32, **options):
    rng = np.random.default_rng(seed)
    arrays = [(scale * rng.normal(size=size)).astype(dtype) for size in ((inputs, units), (inputs,), (units,))]
    return Rbm(*arrays, **{"visible": Binary(), "hidden": Binary()} | options)


def objective(rbm, chains=CD1, *, seed=1, rate=0.1, sparsity=None, **sgd):
    arrays = [rbm.weights, rbm.hidden_bias, rbm.visible_bias, rbm.log_variance]
    names = [NAMES.weights, NAMES.hidden_bias, NAMES.visible_bias, NAMES.log_variance]
    specs = {
        name: ParameterSpec(array.shape, Zeros(), 1, 1)
        for name, array in zip(names, arrays, strict=True)
        if array is not None
    }
    optimiser = Sgd(**{"learning_rate": rate, "momentum": 0.0} | sgd)
    return ContrastiveDivergence(rbm, NAMES, specs, optimiser, chains, seed=seed, sparsity=sparsity)


def data(rbm, n, seed=2, dtype=np.float32):
    size = len(rbm.weights) - rbm.labels
    x = (np.random.default_rng(seed).random((n, size)) < 0.4).astype(dtype)
    return Batch(x, np.arange(n) % max(rbm.labels, 1))


def sigmoid(x):
    return 1 / (1 + np.exp(-x.astype(np.float64)))


KINDS = {
    "binary": {},
    "gaussian visible": {"visible": Gaussian()},
    "learned variance": {"visible": Gaussian(learn_variance=True), "log_variance": np.full(6, 0.3, np.float32)},
    "relu hidden": {"hidden": Relu()},
    "gaussian hidden": {"hidden": Gaussian()},
    "softmax": {"visible": Softmax(size=3), "hidden": Softmax(size=2)},
    "labels": {"labels": 2},
    "doubled": {"factors": Factors(up=2.0, down=2.0)},
}


@pytest.mark.parametrize("chains", [Chains(), Chains(3), Chains(2, 5), Chains(sample_visible=False)])
@pytest.mark.parametrize("kind", KINDS)
def test_an_update_is_what_its_statistics_say(kind, chains):
    """From v and h as they stand in the buffers: ε (⟨vh⟩_data − ⟨vh⟩_model), and so for the biases."""
    options = {name: value.copy() if isinstance(value, np.ndarray) else value for name, value in KINDS[kind].items()}
    rbm = machine(**options)
    before = [array.astype(np.float64) for array in (rbm.weights, rbm.visible_bias, rbm.hidden_bias)]
    learner = objective(rbm, chains)
    batch = data(rbm, 7)
    if rbm.log_variance is not None:
        variance = np.exp(rbm.log_variance.astype(np.float64))
    learner.step(batch, Clock(0, 1, 1))
    (buffers,) = learner._statistics.values()
    m = chains.persistent or 7
    v, h = buffers.v.astype(np.float64), buffers.h.astype(np.float64)
    h[:7] *= -7  # as they were before they were weighed
    h[7:] *= m
    v0, v1, h0, h1 = v[:7], v[7:], h[:7], h[7:]
    scaled = (
        (v / variance if rbm.log_variance is not None else v)[:7],
        (v / variance if rbm.log_variance is not None else v)[7:],
    )
    expected = [
        before[0] + 0.1 * (scaled[0].T @ h0 / 7 - scaled[1].T @ h1 / m),
        before[1] + 0.1 * (scaled[0].mean(axis=0) - scaled[1].mean(axis=0)),
        before[2] + 0.1 * (h0.mean(axis=0) - h1.mean(axis=0)),
    ]
    for found, wanted in zip((rbm.weights, rbm.visible_bias, rbm.hidden_bias), expected, strict=True):
        np.testing.assert_allclose(found, wanted, atol=2e-6)
    size = 6 - rbm.labels
    assert np.array_equal(v0[:, :size], batch.x)
    up = rbm.factors.up
    totals = up * (scaled[0] @ before[0]) + before[2]
    means = {
        "relu hidden": np.maximum(totals, 0),
        "gaussian hidden": totals,
        "softmax": np.exp(totals.reshape(7, 2, 2)) / np.exp(totals.reshape(7, 2, 2)).sum(axis=2, keepdims=True),
    }.get(kind, sigmoid(totals))
    np.testing.assert_allclose(h0, means.reshape(7, 4), atol=1e-5)
    if kind == "labels":
        assert np.array_equal(v0[:, size:].argmax(axis=1), batch.y)
        if chains.sample_visible:
            assert np.array_equal(v1[:, size:].sum(axis=1), np.ones(m))


def test_hidden_units_may_be_gaussian_and_more_than_the_visible_ones():
    rbm = machine(3, 90, hidden=Gaussian(), scale=0.1)
    learner = objective(rbm, Chains(2))
    learner.step(data(rbm, 400), Clock(0, 1, 1))
    (statistics,) = learner._statistics.values()
    states = rbm_states(rbm, data(rbm, 400).x)
    np.testing.assert_allclose((states - (data(rbm, 400).x @ rbm.weights + rbm.hidden_bias)).std(axis=0), 1, atol=0.2)
    assert np.isfinite(statistics.v).all()


def rbm_states(rbm, v):
    """Hidden states drawn once."""
    mean, states = (np.empty((len(v), rbm.weights.shape[1]), v.dtype) for _ in range(2))
    rbm.up(3, np.zeros(1, np.int64), v, mean, states).run()
    return states


def test_a_long_chain_gives_the_likelihoods_gradient_and_a_short_one_comes_near():
    """CD-k's mean update over many draws: its distance from the exact gradient falls with k."""
    rbm = machine(3, 2, scale=3.0, seed=2)
    batch = data(rbm, 6, seed=3)
    n = 20_000 // 6 * 6
    many = Batch(np.tile(batch.x, (n // 6, 1)), np.zeros(n, np.int64))
    of = Parameters(rbm.weights, rbm.visible_bias, rbm.hidden_bias)
    gradient = likelihood_gradient(of, batch.x)
    distances = []
    for k in (1, 5, 100):
        fresh = machine(3, 2, scale=3.0, seed=2)
        start = fresh.weights.astype(np.float64)
        objective(fresh, Chains(k), rate=1e-2).step(many, Clock(0, 1, 1))
        update = (fresh.weights - start) / 1e-2
        distances.append(np.abs(update - gradient.weights).max())
    assert distances[2] < 0.015  # three deviations of the mean of so many draws
    assert distances[0] > distances[1] > distances[2]


def test_persistent_chains_go_on():
    rbm = machine()
    learner = objective(rbm, Chains(1, 4), rate=1e-6)
    chains = learner.tensors()["hidden1.rbm/chains"]
    learner.step(data(rbm, 6), Clock(0, 2, 1))
    after_one = chains.copy()
    assert after_one.any()
    assert set(np.unique(after_one)) <= {0.0, 1.0}
    learner.step(data(rbm, 6), Clock(1, 2, 1))
    assert not np.array_equal(chains, after_one)


def test_persistent_chains_come_to_the_models_distribution():
    """Many chains of a fixed machine, after many steps, against enumeration."""
    rbm = machine(3, 2, scale=1.0, seed=8)
    learner = objective(rbm, Chains(50, 4000), rate=1e-12)
    learner.step(data(rbm, 4), Clock(0, 1, 1))
    (buffers,) = learner._statistics.values()
    states = buffers.v[4:]
    codes = states @ np.array([1, 2, 4])
    frequencies = np.bincount(codes.astype(int), minlength=8) / len(states)
    v = np.array([[code >> bit & 1 for bit in range(3)] for code in range(8)], float)
    p = np.exp(-free_energy(Parameters(rbm.weights, rbm.visible_bias, rbm.hidden_bias), v))
    np.testing.assert_allclose(frequencies, p / p.sum(), atol=0.03)


def test_learning_raises_the_likelihood():
    rbm = machine(6, 4, scale=0.01)
    patterns = np.array([[1, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1]], np.float32)
    batch = Batch(np.tile(patterns, (10, 1)), np.zeros(20, np.int64))
    learner = objective(rbm, Chains(5, 50), rate=0.1)

    def likelihood():
        of = Parameters(rbm.weights, rbm.visible_bias, rbm.hidden_bias)
        return float(exact.log_likelihood(of, patterns, exact.log_partition(of)).mean())

    before = likelihood()
    for step in range(400):
        learner.step(batch, Clock(step, 1, 400))
    assert before == pytest.approx(-6 * np.log(2), abs=0.2)
    assert likelihood() > -1.2  # the best is −log 2


def test_the_variances_gradient_is_that_of_the_energy():
    """By differences of E (Cho et al. 2011): the update of z = log σ² is −ε (⟨∂E/∂z⟩_data − ⟨∂E/∂z⟩_model)."""
    rbm = machine(4, 3, visible=Gaussian(learn_variance=True), log_variance=np.array([0.2, -0.1, 0.4, 0.0], np.float32))
    learner = objective(rbm, Chains(), rate=1e-2)
    z, w = rbm.log_variance.astype(np.float64), rbm.weights.astype(np.float64)
    b, c = rbm.visible_bias.astype(np.float64), rbm.hidden_bias.astype(np.float64)
    batch = Batch(np.random.default_rng(3).normal(size=(5, 4)).astype(np.float32), np.zeros(5, np.int64))
    learner.step(batch, Clock(0, 1, 1))
    (buffers,) = learner._statistics.values()
    v, h = buffers.v.astype(np.float64), buffers.h.astype(np.float64) * np.repeat([-5, 5], 5)[:, None]

    def energy(z):
        variance = np.exp(z)
        return np.sum((v - b) ** 2 / (2 * variance), axis=1) - h @ c - np.sum((v / variance) * (h @ w.T), axis=1)

    for i in range(4):
        shift = np.eye(4)[i] * 1e-5
        slope = (energy(z + shift) - energy(z - shift)) / 2e-5
        expected = -1e-2 * (slope[:5].mean() - slope[5:].mean())
        assert rbm.log_variance[i] - z[i] == pytest.approx(expected, rel=1e-3, abs=1e-6)


def test_sparsity_draws_the_running_mean_of_the_activity_to_its_target():
    def activity(sparsity):
        rbm = machine(8, 6, scale=0.1)
        learner = objective(rbm, rate=0.2, sparsity=sparsity)
        for step in range(600):
            learner.step(data(rbm, 20, seed=step % 5), Clock(step, 1, 600))
        x = data(rbm, 100, seed=9).x
        return sigmoid(x @ rbm.weights + rbm.hidden_bias).mean(axis=0)

    assert activity(None).mean() > 0.3
    np.testing.assert_allclose(activity(Sparsity(0.1, 3.0, 0.9)), 0.1, atol=0.05)


def test_the_reconstruction_error_is_that_of_the_means():
    rbm = machine(seed=4)
    learner = objective(rbm)
    batch = data(rbm, 9)
    h = sigmoid(batch.x @ rbm.weights + rbm.hidden_bias)
    back = sigmoid(h @ rbm.weights.T + rbm.visible_bias)
    expected = 0.5 * np.sum((batch.x - back) ** 2, axis=1).mean()
    assert learner.evaluate(BatchSource(batch.x), 4)["loss"] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("chains", [Chains(), Chains(2, 50)])
def test_the_bits_do_not_depend_on_the_threads(chains, threads):
    def learned(count):
        threads(count)
        rbm = machine(150, 140, scale=0.1)
        learner = objective(rbm, chains)
        for step in range(3):
            learner.step(data(rbm, 60, seed=step), Clock(step, 3, 1))
        return rbm.weights.tobytes() + rbm.visible_bias.tobytes() + rbm.hidden_bias.tobytes()

    assert learned(1) == learned(2) == learned(3)


def test_what_is_kept_is_the_machine_as_it_was():
    rbm = machine()
    learner = objective(rbm)
    learner.step(data(rbm, 6), Clock(0, 1, 1))
    kept = learner.kept()
    assert kept.keys() == {"hidden1.rbm/weights", "hidden1.rbm/bias", "hidden1.rbm/visible_bias"}
    rbm.weights[...] += 1  # supervised training
    assert not np.array_equal(kept["hidden1.rbm/weights"], rbm.weights)


def test_a_step_that_diverges_changes_nothing():
    rbm = machine()
    rbm.weights[0, 0] = np.nan
    before = rbm.visible_bias.copy()
    result = objective(rbm).step(Batch(np.ones((5, 6), np.float32), np.zeros(5, np.int64)), Clock(0, 1, 1))
    assert not np.isfinite(result.loss)
    assert np.array_equal(rbm.visible_bias, before)
