"""Deep Boltzmann machines: updates are what their statistics say, chains are the model's, layers start from it."""

from itertools import pairwise, product

import numpy as np
import pytest

from dlcli import wiring
from dlcli.data.pipeline import Batch, prepare
from dlcli.errors import MisfitError
from dlcli.initialisers.zeros import Zeros
from dlcli.kernels.mean_field import mean_field
from dlcli.layers.base import ParameterSpec
from dlcli.optim.schedules.base import Clock
from dlcli.optim.sgd import Sgd
from dlcli.pretrain.boltzmann.dbm import Dbm, DeepBoltzmannMachine, MachineNames
from tests.runs import SUPERVISED, Recorder, experiment, last, train

RATE = 0.1


def sigmoid(x):
    return 1 / (1 + np.exp(-x.astype(np.float64)))


def machine(*sizes, seed=0, scale=0.7, dtype=np.float32):
    rng = np.random.default_rng(seed)
    weights = tuple((scale * rng.normal(size=pair)).astype(dtype) for pair in pairwise(sizes))
    return Dbm(weights, tuple((scale * rng.normal(size=size)).astype(dtype) for size in sizes))


def learner(dbm, *, chains=6, gibbs_steps=2, mean_field_steps=3, rate=RATE):
    places = range(dbm.depth + 1)
    names = MachineNames(
        tuple(f"h{place}.dbm/weights" for place in places[1:]), tuple(f"h{place}.dbm/bias" for place in places), "h"
    )
    both = zip(names.weights + names.biases, dbm.weights + dbm.biases, strict=True)
    specs = {name: ParameterSpec(array.shape, Zeros(), 1, 1) for name, array in both}
    first = np.zeros((chains, len(dbm.biases[0])), np.float32)
    return DeepBoltzmannMachine(
        dbm,
        names,
        specs,
        Sgd(learning_rate=rate, momentum=0.0),
        first,
        mean_field_steps=mean_field_steps,
        gibbs_steps=gibbs_steps,
        seed=1,
    )


def data(n, size, seed=2):
    return Batch((np.random.default_rng(seed).random((n, size)) < 0.4).astype(np.float32), np.zeros(n, np.int64))


@pytest.mark.parametrize("sizes", [(6, 5, 4), (5, 4, 4, 3)])
def test_an_update_is_what_its_statistics_say(sizes):
    dbm = machine(*sizes)
    before = [array.astype(np.float64) for array in (*dbm.weights, *dbm.biases)]
    objective, batch = learner(dbm), data(7, sizes[0])
    means = [np.zeros((7, size), np.float32) for size in sizes[1:]]
    mean_field(batch.x, dbm.weights, dbm.biases[1:], means, 3)
    objective.step(batch, Clock(0, 1, 1))
    of_data = [array.astype(np.float64) for array in (batch.x, *means)]
    of_model = [array.astype(np.float64) for array in objective.chains]
    assert all(set(np.unique(states)) <= {0.0, 1.0} for states in of_model)
    for place, weights in enumerate(dbm.weights):
        expected = before[place] + RATE * (
            of_data[place].T @ of_data[place + 1] / 7 - of_model[place].T @ of_model[place + 1] / 6
        )
        np.testing.assert_allclose(weights, expected, atol=2e-6)
    for place, bias in enumerate(dbm.biases):
        expected = before[dbm.depth + place] + RATE * (of_data[place].mean(axis=0) - of_model[place].mean(axis=0))
        np.testing.assert_allclose(bias, expected, atol=2e-6)


def test_chains_come_to_the_models_distribution():
    """Many chains of a fixed small machine, against the sum over all its states."""
    dbm = machine(3, 2, 2, scale=1.0, seed=3)
    objective = learner(dbm, chains=6000, gibbs_steps=60, rate=1e-12)
    objective.step(data(4, 3), Clock(0, 1, 1))
    w1, w2 = (array.astype(np.float64) for array in dbm.weights)
    b0, b1, b2 = (array.astype(np.float64) for array in dbm.biases)
    p = np.zeros(8)
    for v, h1, h2 in product(product((0, 1), repeat=3), product((0, 1), repeat=2), product((0, 1), repeat=2)):
        v_, a, b = np.array(v), np.array(h1), np.array(h2)
        p[v[0] + 2 * v[1] + 4 * v[2]] += np.exp(b0 @ v_ + b1 @ a + b2 @ b + v_ @ w1 @ a + a @ w2 @ b)
    codes = (objective.chains[0] @ np.array([1, 2, 4])).astype(int)
    np.testing.assert_allclose(np.bincount(codes, minlength=8) / 6000, p / p.sum(), atol=0.025)


def test_the_bits_do_not_depend_on_the_threads(threads):
    def learned(count):
        threads(count)
        dbm = machine(130, 90, 70, scale=0.1)
        objective = learner(dbm, chains=50)
        for step in range(2):
            objective.step(data(60, 130, seed=step), Clock(step, 2, 1))
        return b"".join(array.tobytes() for array in (*dbm.weights, *dbm.biases, *objective.chains))

    assert learned(1) == learned(2) == learned(3)


LINEAR = {"type": "dense", "name": "hidden2", "units": 4}
MACHINE = SUPERVISED | {
    "data": SUPERVISED["data"] | {"transform": [{"type": "scale", "by": 0.1, "offset": 0.5}]},
    "network": [
        {"type": "mean_field", "name": "posterior", "units": [5, 4], "steps": 3},
        {"type": "dense", "name": "hidden1", "units": 5, "activation": "sigmoid"},
        {"type": "dense", "name": "hidden2", "units": 4, "activation": "sigmoid"},
        {"type": "dense", "name": "output", "units": 3},
    ],
    "pretrain": {
        "method": {"type": "dbm", "joint_training": {"epochs": 2, "chains": 7, "sgd": {"learning_rate": 0.05}}},
        "epochs": 2,
        "sgd": {"learning_rate": 0.1, "schedule": "constant"},
    },
}


def test_stages_are_the_layers_and_then_all_together(tmp_path):
    reporter = Recorder()
    train(tmp_path / "run", experiment(MACHINE), reporter=reporter)
    assert reporter.stages == ["pretrain/hidden1", "pretrain/hidden2", "pretrain/hidden2.dbm", "supervised"]


def test_every_epoch_of_its_rbms_says_how_well_they_have_learned(tmp_path):
    reporter = Recorder()
    train(tmp_path / "run", experiment(MACHINE), stages="pretrain", reporter=reporter)
    names = {"train_pseudo_log_likelihood", "validation_pseudo_log_likelihood", "validation_free_energy_gap"}
    for row in reporter.rows:
        assert (row.keys() & names) == (set() if row["stage"].endswith(".dbm") else names), row["stage"]
        assert all(np.isfinite(row[name]) for name in row.keys() & names)


def test_layers_start_from_the_machine_and_the_first_takes_what_it_got_in_it(tmp_path):
    """With q from the machine, the first layer's means before any training are a round of mean field."""
    of = experiment(MACHINE, training__epochs=0)
    train(tmp_path / "run", of)
    tensors = last(tmp_path / "run").tensors
    w1, w2 = tensors["hidden1.dbm/weights"], tensors["hidden2.dbm/weights"]
    assert np.array_equal(tensors["hidden1/weights"], np.concatenate([w1, w2.T]))
    assert np.array_equal(tensors["hidden1/bias"], tensors["hidden1.dbm/bias"])
    assert np.array_equal(tensors["hidden2/weights"], w2)
    assert np.array_equal(tensors["posterior/weights_1"], w1)
    assert np.array_equal(tensors["posterior/bias_2"], tensors["hidden2.dbm/bias"])


def test_without_posterior_means_layers_start_as_the_machines(tmp_path):
    of = experiment(MACHINE, network=MACHINE["network"][1:], training__epochs=0)
    train(tmp_path / "run", of)
    tensors = last(tmp_path / "run").tensors
    for name in ("hidden1", "hidden2"):
        assert np.array_equal(tensors[f"{name}/weights"], tensors[f"{name}.dbm/weights"])


HIDDEN3 = {"type": "dense", "name": "hidden3", "units": 4, "activation": "sigmoid"}


@pytest.mark.parametrize(
    "changes",
    [
        {"pretrain": None},
        {"pretrain__method": "rbm"},
        {
            "network": [*MACHINE["network"][:3], HIDDEN3, MACHINE["network"][3]],
            "pretrain__layers": ["hidden2", "hidden3"],
        },
    ],
)
def test_posterior_means_without_a_machine_are_refused(tmp_path, changes):
    of = experiment(MACHINE, **changes)
    with pytest.raises(MisfitError, match="posterior gets no machine, and so gives zeros") as misfit:
        train(tmp_path / "run", of)
    assert misfit.value.path == ("network", 0)
    assert not (tmp_path / "run").exists()


def test_posterior_means_by_another_runs_machine(tmp_path):
    train(tmp_path / "first", experiment(MACHINE))
    of = experiment(MACHINE, pretrain=None)
    train(tmp_path / "second", of, init=tmp_path / "first")
    train(tmp_path / "second", experiment(MACHINE, pretrain=None, training__epochs=4), resume=True)
    first, second = (last(tmp_path / name).tensors for name in ("first", "second"))
    assert np.array_equal(first["posterior/weights_1"], second["posterior/weights_1"])


def test_the_machine_stays_while_the_layers_learn(tmp_path):
    train(tmp_path / "none", experiment(MACHINE, training__epochs=0))
    train(tmp_path / "some", experiment(MACHINE, training__epochs=2))
    none, some = (last(tmp_path / name).tensors for name in ("none", "some"))
    assert not np.array_equal(none["hidden1/weights"], some["hidden1/weights"])
    for name in none:
        if name.startswith("posterior/") or ".dbm/" in name:
            assert none[name].tobytes() == some[name].tobytes()


def test_the_next_layers_data_come_by_doubled_inputs(tmp_path):
    """The RBM of the second layer sees σ(2 W v + c) of the first one's."""
    of = experiment(MACHINE)
    data = prepare(of.data)
    network = wiring.build_network(of, data)
    plans = wiring.plan(of, data, network)
    models = {
        "hidden1.dbm/weights": np.full((6, 5), 0.3, np.float32),
        "hidden1.dbm/bias": np.full(5, -0.2, np.float32),
        "hidden1.dbm/visible_bias": np.zeros(6, np.float32),
    }
    stage = plans[1].build(models)
    x = np.concatenate([batch.x.copy() for batch in data.train.iterate(100)])
    np.testing.assert_allclose(stage.train.x, sigmoid(2 * x @ models["hidden1.dbm/weights"] - 0.2), atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pretrain__layers": ["hidden1"]}, "found 1 layer to pretrain, expected at least two"),
        ({"network": [{"type": "mean_field", "name": "posterior", "units": [5, 3]}, *MACHINE["network"][1:]]},
         r"posterior has layers of \[5, 3\] units, those to pretrain \[5, 4\]"),
        ({"network": [*MACHINE["network"][:2], LINEAR, MACHINE["network"][3]]},
         "hidden2 is no dense layer of sigmoid units"),
        ({"network": [*MACHINE["network"][:2], {"type": "scale"}, *MACHINE["network"][2:]]},
         "hidden2 does not follow hidden1"),
    ],
)  # fmt: skip
def test_layers_that_are_no_machine_are_refused(tmp_path, changes, message):
    with pytest.raises(MisfitError, match=message):
        train(tmp_path / "run", experiment(MACHINE, **changes))
    assert not (tmp_path / "run").exists()
