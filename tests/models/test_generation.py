"""Chains of RBMs and their stacks, against distributions that are enumerated."""

from itertools import islice, product

import numpy as np
import pytest

from dlcli.data.batches import BatchSource
from dlcli.errors import CheckpointError, UsageError
from dlcli.models.belief import BeliefNetwork
from dlcli.models.deep_boltzmann import DeepBoltzmannMachine
from dlcli.models.general_boltzmann import GeneralBoltzmannMachine
from dlcli.models.generation import generative
from dlcli.models.generative import after, label_of, samples_of
from dlcli.models.restricted import rbm_of
from dlcli.pretrain.boltzmann.dbm import Dbm
from dlcli.pretrain.boltzmann.machine import Machine
from dlcli.pretrain.boltzmann.rbm import Rbm
from dlcli.pretrain.units.binary import Binary
from dlcli.pretrain.units.gaussian import Gaussian
from dlcli.trained import open_run
from tests.runs import PRETRAINED, SUPERVISED, experiment, train

CHAINS = 4000


def rbm(weights, visible_bias, hidden_bias, visible=None, labels=0, **more):
    arrays = (np.array(array, np.float32) for array in (weights, visible_bias, hidden_bias))
    return Rbm(*arrays, visible or Binary(), Binary(), labels=labels, **more)


def states(units):
    return np.array(list(product((0.0, 1.0), repeat=units)))


def joint(machine):
    """p(v, h) by enumeration: (2^visible, 2^hidden), float64."""
    v, h = map(states, machine.weights.shape)
    weights, b, c = (a.astype(np.float64) for a in (machine.weights, machine.visible_bias, machine.hidden_bias))
    p = np.exp((v @ b)[:, None] + (h @ c)[None] + v @ weights @ h.T)
    return p / p.sum()


SMALL = rbm([[2.0, -1.0], [-1.5, 1.0], [0.5, 1.5]], [0.2, -0.4, 0.3], [-0.3, 0.5])


def test_in_the_long_run_means_are_those_of_the_enumerated_distribution():
    """E[v | h] over h of p(h) has the mean and the second moments that enumeration gives."""
    p = joint(SMALL)
    hidden, visible = p.sum(axis=0), states(3)
    given = (p / hidden).T @ visible  # E[v | h], a row for each h
    samples = after(BeliefNetwork([SMALL], (3,)), 50, CHAINS, seed=4).astype(np.float64)
    assert samples.shape == (CHAINS, 3)
    places = np.abs(samples[:, None] - given).max(axis=2).argmin(axis=1)
    np.testing.assert_allclose(samples, given[places], atol=1e-6)
    np.testing.assert_allclose(np.bincount(places, minlength=4) / CHAINS, hidden, atol=4 * 0.5 / CHAINS**0.5)


def test_along_one_chain_too():
    chain = BeliefNetwork([SMALL], (3,)).chains(1, seed=9)
    samples = np.concatenate(list(islice(chain, 20, 20 + CHAINS)))
    np.testing.assert_allclose(samples.mean(axis=0), joint(SMALL).sum(axis=1) @ states(3), atol=0.05)


def test_below_the_uppermost_machine_there_is_one_pass_down():
    lower = rbm([[1.0, -2.0, 0.5], [0.0, 1.0, -1.0]], [0.1, -0.2], [0.0, 0.0, 0.0])
    model = BeliefNetwork([lower, SMALL], (2, 1))
    samples = after(model, 50, CHAINS, seed=2).astype(np.float64)
    assert samples.shape == (CHAINS, 2, 1)
    logits = states(3) @ lower.weights.T.astype(np.float64) + lower.visible_bias
    given = 1 / (1 + np.exp(-logits))  # E[v | h], a row for each state h of the lower hidden units
    places = np.abs(samples.reshape(CHAINS, 1, 2) - given).max(axis=2).argmin(axis=1)
    np.testing.assert_allclose(samples.reshape(CHAINS, 2), given[places], atol=1e-6)
    found = np.bincount(places, minlength=8) / CHAINS
    np.testing.assert_allclose(found, joint(SMALL).sum(axis=1), atol=4 * 0.5 / CHAINS**0.5)


@pytest.mark.parametrize("label", [0, 1, None])
def test_a_clamped_label_conditions_the_samples(label):
    """Three visible units, of which the last two are labels: p(v | label) by enumeration over those states."""
    machine = rbm(SMALL.weights, SMALL.visible_bias, SMALL.hidden_bias, labels=2)
    p, v = joint(machine), states(3)
    allowed = v[:, 1:].sum(axis=1) == 1  # of the labels one is on
    if label is not None:
        allowed &= v[:, 1 + label] == 1
    expected = (p.sum(axis=1) * allowed / p[allowed].sum()) @ v[:, 0]
    samples = after(BeliefNetwork([machine], (1,)), 50, CHAINS, 3, label)
    assert samples.shape == (CHAINS, 1)
    assert samples.mean() == pytest.approx(expected, abs=0.04)


def test_chains_start_with_a_pass_up_from_random_pixels():
    """Units without doubt: the lower machine's hidden one is its first pixel, and the upper machine keeps that."""
    lower = rbm([[200.0], [0.0]], [-100.0, 0.0], [-100.0])
    upper = rbm([[200.0]], [-100.0], [-100.0])
    first = after(BeliefNetwork([lower, upper], (2,)), 1, CHAINS, 5)
    np.testing.assert_allclose(first[:, 0], np.rint(first[:, 0]), atol=1e-6)
    assert first[:, 0].mean() == pytest.approx(0.5, abs=0.04)
    never = rbm([[200.0], [0.0]], [-100.0, 0.0], [-500.0])
    assert after(BeliefNetwork([lower, upper], (2,), [never]), 1, CHAINS, 5)[:, 0].max() < 1e-6


def test_gaussian_means_are_about_their_biases():
    variance = np.log(np.float32([4.0, 1.0, 0.25]))
    machine = rbm(np.zeros((3, 2)), [1.0, -2.0, 3.0], [0, 0], Gaussian(learn_variance=True), log_variance=variance)
    np.testing.assert_allclose(after(BeliefNetwork([machine], (3,)), 5, 4, 1), np.tile([[1, -2, 3]], (4, 1)))


def expected_means(couplings, bias, visible):
    """E[v] of a machine of binary units with symmetric couplings, by enumeration."""
    s = states(len(bias))
    p = np.exp(0.5 * np.sum((s @ couplings) * s, axis=1) + s @ bias)
    return (p / p.sum()) @ s[:, :visible]


def test_a_deep_machine_has_its_distribution():
    """3 visible units, 2 and 2 hidden ones; the mean of E[v | h¹] over chains is E[v]."""
    weights = [np.array(SMALL.weights), np.array([[2.0, -1.0], [-1.0, 1.5]], np.float32)]
    biases = [np.float32([0.2, -0.4, 0.3]), np.float32([-0.3, 0.5]), np.float32([0.1, -0.6])]
    couplings = np.zeros((7, 7))
    couplings[:3, 3:5], couplings[3:5, 5:] = weights
    couplings += couplings.T
    model = DeepBoltzmannMachine(Dbm(tuple(weights), tuple(biases)), (3, 1), 10)
    samples = after(model, 60, CHAINS, seed=3)
    assert samples.shape == (CHAINS, 3, 1)
    given = 1 / (1 + np.exp(-(states(2) @ weights[0].T + biases[0])))  # E[v | h¹], a row for each state of h¹
    assert np.abs(samples[:, None, :, 0] - given).max(axis=2).min(axis=1).max() < 1e-6
    expected = expected_means(couplings, np.concatenate(biases), 3)
    np.testing.assert_allclose(samples.mean(axis=0)[:, 0], expected, atol=4 * 0.5 / CHAINS**0.5)


def test_a_general_machine_has_its_distribution():
    rng = np.random.default_rng(7)
    couplings = np.triu(rng.normal(size=(6, 6)), 1).astype(np.float32)
    couplings, bias = couplings + couplings.T, rng.normal(size=6).astype(np.float32)
    samples = after(GeneralBoltzmannMachine(Machine(couplings, bias, 4), (2, 2)), 60, CHAINS, seed=3)
    assert samples.shape == (CHAINS, 2, 2)
    expected = expected_means(couplings.astype(np.float64), bias, 4)
    np.testing.assert_allclose(samples.reshape(CHAINS, 4).mean(axis=0), expected, atol=4 * 0.5 / CHAINS**0.5)


def test_samples_are_a_function_of_the_seed_and_the_steps_alone():
    model = BeliefNetwork([SMALL], (3,))
    first = after(model, 3, 50, 1)
    np.testing.assert_array_equal(first, after(model, 3, 50, 1))
    np.testing.assert_array_equal(first, list(islice(model.chains(50, 1), 3))[2])
    np.testing.assert_array_equal(first[:1], after(model, 3, 1, 1))
    assert not np.array_equal(first, after(model, 3, 50, 2))
    assert not np.array_equal(first, after(model, 4, 50, 1))


def test_each_chain_clamps_the_next_of_several_labels():
    machine = rbm(SMALL.weights, SMALL.visible_bias, SMALL.hidden_bias, labels=2)
    model = BeliefNetwork([machine], (1,))
    labels = label_of(model, ("cat", "dog"), "each")
    found = after(model, 20, 5, 3, labels)
    for label in (0, 1):
        np.testing.assert_array_equal(found[label::2], after(model, 20, 5, 3, label)[label::2])


def test_labels_are_classes_by_their_names():
    without, model = (
        BeliefNetwork([SMALL], (3,)),
        BeliefNetwork([rbm(np.zeros((3, 2)), [0] * 3, [0] * 2, labels=2)], (1,)),
    )
    assert label_of(without, ("cat", "dog"), None) is None
    assert [label_of(model, classes, name) for classes, name in ((("cat", "dog"), "dog"), ((5, 3), "5"))] == [1, 0]
    with pytest.raises(UsageError, match="found label cat, but the model was trained without labels"):
        label_of(without, ("cat", "dog"), "cat")
    with pytest.raises(UsageError, match="found label cow, expected each, or one of: cat, dog"):
        label_of(model, ("cat", "dog"), "cow")


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory):
    directory = tmp_path_factory.mktemp("rbms") / "run"
    of = experiment(
        PRETRAINED, pretrain__method={"type": "rbm", "visible": {"type": "gaussian", "learn_variance": True}}
    )
    train(directory, of, stages="pretrain")
    return open_run(directory)


def test_a_run_has_its_machines(pretrained):
    machine = rbm_of(pretrained, pretrained.network.graph.node("hidden1"))
    np.testing.assert_array_equal(machine.weights, pretrained.models["hidden1.rbm/weights"])
    assert (machine.visible, machine.hidden) == (Gaussian(learn_variance=True), Binary())
    assert machine.log_variance is not None
    for layer, machines in (("hidden1", 1), ("hidden2", 2), (None, 2)):
        model = generative(pretrained, layer)
        assert (len(model._machines), model.shape) == (machines, (6,))
        assert np.isfinite(after(model, 3, 5, 1)).all()


UNIT = [{"type": "scale", "by": 0.1, "offset": 0.5}]  # to [0, 1]
LABELLED = [*SUPERVISED["network"][:3], {"type": "class_rbm", "name": "top", "units": 7, "classes": 3}]


@pytest.mark.parametrize("up_down", [None, {"epochs": 1, "sgd": {"learning_rate": 0.01}}])
def test_a_belief_net_with_labels(tmp_path, up_down):
    """The classes are part of the uppermost machine; after up-down, the way down has weights of its own."""
    method = {"type": "rbm", "visible": "binary", "up_down": up_down}
    of = experiment(PRETRAINED, network=LABELLED, pretrain__method=method, data__transform=UNIT)
    train(tmp_path / "run", of, stages="pretrain")
    trained = open_run(tmp_path / "run")
    model = generative(trained)
    assert (model.labels, len(model._machines), model._machines[-1].weights.shape) == (3, 3, (7, 7))
    first = model._machines[0].weights
    own = trained.models["hidden1.generation/weights"].T if up_down else trained.models["hidden1.rbm/weights"]
    np.testing.assert_array_equal(first, own)
    own = trained.models[f"hidden1.{'recognition' if up_down else 'rbm'}/weights"]
    np.testing.assert_array_equal(model._recognition[0].weights, own)
    for label in range(3):
        assert after(model, 2, 5, 1, label).shape == (5, 6)


def test_fine_tuning_leaves_the_machines_as_they_were(tmp_path):
    of = experiment(PRETRAINED, pretrain__method="rbm")
    train(tmp_path / "run", of, stages="pretrain")
    before = after(generative(open_run(tmp_path / "run")), 3, 5, 1)
    train(tmp_path / "run", of, resume=True)
    np.testing.assert_array_equal(after(generative(open_run(tmp_path / "run")), 3, 5, 1), before)


JOINT = {"epochs": 1, "sgd": {"learning_rate": 0.01}}
DEEP = {"type": "dbm", "joint_training": JOINT}
CHAIN = [layer for layer in SUPERVISED["network"] if layer["type"] == "dense"]


def test_a_deep_machine_of_a_run(tmp_path):
    of = experiment(PRETRAINED, network=CHAIN, pretrain__method=DEEP, data__transform=UNIT)
    train(tmp_path / "run", of, stages="pretrain")
    trained = open_run(tmp_path / "run")
    model = generative(trained)
    assert [array.shape for array in model._dbm.weights] == [(6, 5), (5, 4)]
    assert after(model, 2, 5, 1).shape == (5, 6)
    with pytest.raises(UsageError, match="found layer hidden1, expected hidden2: a deep Boltzmann machine is one"):
        generative(trained, "hidden1")
    del trained.models["hidden1.dbm/bias"]
    with pytest.raises(CheckpointError, match="tensor 'hidden1.dbm/bias' is missing"):
        generative(trained)


@pytest.mark.parametrize("hidden", [True, False])
def test_a_general_machine_of_a_run(tmp_path, hidden):
    method = {"type": "boltzmann_machine", "hidden": hidden}
    of = experiment(
        PRETRAINED,
        pretrain__method=method,
        pretrain__layers=["hidden1"],
        data__transform=[{"type": "scale", "by": 0.0}],
    )
    train(tmp_path / "run", of, stages="pretrain")
    trained = open_run(tmp_path / "run")
    machine = generative(trained)._machine
    assert (machine.visible, machine.hidden) == (6, 5 if hidden else 0)
    np.testing.assert_array_equal(machine.couplings[:6, :6], trained.models["hidden1.machine/visible_lateral"])
    np.testing.assert_array_equal(machine.couplings, machine.couplings.T)
    assert after(generative(trained), 2, 5, 1).shape == (5, 6)


def test_without_a_model_that_generates(pretrained, tmp_path):
    with pytest.raises(UsageError, match="found no generative model with output at the top"):
        generative(pretrained, "output")
    train(tmp_path / "run", experiment(PRETRAINED), stages="pretrain")
    with pytest.raises(UsageError, match="found no generative model among the layers"):
        generative(open_run(tmp_path / "run"))
    layers = [*SUPERVISED["network"]]
    layers[1] = {"type": "activation", "function": "tanh"}
    train(tmp_path / "other", experiment(PRETRAINED, network=layers, pretrain__method="rbm"), stages="pretrain")
    with pytest.raises(UsageError, match="activation_1 stands below hidden2 and is no RBM"):
        generative(open_run(tmp_path / "other"))


@pytest.mark.parametrize("notes", [{}, {"hidden1": {}}, {"hidden1": {"visible": {"type": "no"}, "hidden": 3}}])
def test_notes_that_are_none_of_dlcli(tmp_path, notes):
    of = experiment(PRETRAINED, pretrain__method="rbm", pretrain__layers=["hidden1"])
    train(tmp_path / "run", of, stages="pretrain")
    trained = open_run(tmp_path / "run")
    trained.notes.clear()
    trained.notes.update(notes)
    with pytest.raises(CheckpointError, match="its notes on hidden1 are not those of dlcli"):
        generative(trained)


def copying(units):
    """Weights and biases by which each unit copies the state of its partner."""
    return 40 * np.eye(units, dtype=np.float32), np.full(units, -20, np.float32)


START = np.array([[0, 1, 1], [1, 0, 1], [1, 1, 1], [0, 0, 0]], np.float32)


def test_chains_may_start_at_samples():
    weights, bias = copying(3)
    machine = Rbm(weights, bias, bias, Binary(), Binary())
    deep = DeepBoltzmannMachine(Dbm((weights, weights), (bias, bias, bias)), (3,), 10)
    models = [BeliefNetwork([machine], (3,)), BeliefNetwork([machine, machine], (3,)), deep]
    for model in models:
        np.testing.assert_allclose(after(model, 30, 4, 1, start=START), START, atol=1e-6)
    # A visible unit of this machine copies the next one: the first sweep makes it what that was at the start.
    couplings = np.zeros((3, 3), np.float32)
    couplings[0, 1] = couplings[1, 0] = 40
    general = GeneralBoltzmannMachine(Machine(couplings, np.array([-20, -20, 0], np.float32), 3), (3,))
    np.testing.assert_allclose(after(general, 1, 4, 1, start=START)[:, 0], START[:, 1], atol=1e-6)


def test_starts_are_samples_of_the_classes_of_their_chains():
    x, y = np.arange(40.0).reshape(20, 2), np.arange(20) % 4
    source = BatchSource(x, y)
    drawn = samples_of(source, 8, seed=1, label=np.arange(4))
    assert (drawn[:, 0] / 2 % 4).tolist() == [0, 1, 2, 3, 0, 1, 2, 3]
    assert (samples_of(source, 5, 1, 2)[:, 0] / 2 % 4 == 2).all()
    np.testing.assert_array_equal(samples_of(source, 5, 1), samples_of(source, 5, 1))
    assert not np.array_equal(samples_of(source, 5, 1), samples_of(source, 5, 2))
    with pytest.raises(UsageError, match="no sample of class 4, 5"):
        samples_of(source, 8, 1, np.arange(6))
