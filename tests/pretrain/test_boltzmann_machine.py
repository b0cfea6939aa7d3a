"""General Boltzmann machines as a method: their gradient, what they can learn, and what is refused."""

import math

import numpy as np
import pytest
from pydantic import ValidationError

from dlcli.data.pipeline import BatchSource
from dlcli.errors import Diverged, MisfitError
from dlcli.graph import Graph
from dlcli.layers.dense import Dense
from dlcli.network import Network
from dlcli.optim.schedules.base import Clock
from dlcli.optim.sgd import Sgd
from dlcli.pretrain.base import Task
from dlcli.pretrain.boltzmann.machine import Machine, log_marginals, log_partition
from dlcli.pretrain.greedy import nodes_to_pretrain
from dlcli.pretrain.methods.boltzmann_machine import BoltzmannMachine
from tests.pretrain.boltzmann.small import binary
from tests.runs import SUPERVISED, experiment, last, outcome, train, train_until

PARITY = np.array([v for v in binary(3) if sum(v) % 2 == 0], np.float32)  # the XOR of two bits beside them
PIECES = ("visible_bias", "visible_lateral", "weights", "hidden_bias", "hidden_lateral")
RUN = SUPERVISED | {
    "data": SUPERVISED["data"] | {"source": {"type": "csv", "train": "data.csv"}, "transform": [], "validation": 12},
    "network": [
        {"type": "dense", "name": "hidden1", "units": 4, "activation": "sigmoid"},
        {"type": "dense", "name": "hidden2", "units": 3, "activation": "sigmoid"},
        {"type": "dense", "name": "output", "units": 2},
    ],
    "pretrain": {"method": {"type": "boltzmann_machine", "chains": 7}, "epochs": 2, "sgd": {"learning_rate": 0.2}},
}


@pytest.fixture
def data(tmp_path, monkeypatch):
    """The working directory, with a file of bits, which few numbers decide, and the first of them as the class."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    rows = (rng.random((58, 5)) < np.where(rng.random((58, 1)) < 0.5, 0.2, 0.8)).astype(int)
    (tmp_path / "data.csv").write_text("\n".join(",".join(map(str, [*row, row[0]])) for row in rows))
    return tmp_path


def begun(method, inputs, *, units=3, seed=3, optimiser=None, activation="sigmoid", **sgd):
    """A network of one hidden layer and an output, and the hidden layer's machine."""
    layers = [Dense(name="hidden", units=units, activation=activation), Dense(name="output", units=2)]
    network = Network(Graph.build(layers, inputs.shape[1:]), seed=seed)
    network.initialise()
    node = network.graph.node("hidden")
    method.check(node)
    optimiser = optimiser or Sgd(**{"learning_rate": 0.1, "momentum": 0.0} | sgd)
    task = Task((node,), network, method.source((node,), network, inputs, None), None, optimiser)
    return network, method.objective(task)


def arrays(objective) -> dict:
    """The machine's parameters, by the names that `Pieces` gives them."""
    tensors = objective.tensors()
    names = {name: f"hidden.machine/{name}" for name in PIECES} | {"weights": "hidden/weights"}
    names["hidden_bias"] = "hidden/bias"
    return {name: tensors[key] for name, key in names.items() if key in tensors}


def shaken(objective, scale=0.5, seed=0) -> None:
    """Other parameters than those it starts with."""
    rng = np.random.default_rng(seed)
    for name, array in arrays(objective).items():
        array[...] = scale * rng.normal(size=array.shape)
        if name.endswith("lateral"):
            array[...] = np.triu(array, 1) + np.triu(array, 1).T


def machine_of(found: dict) -> Machine:
    """The machine, joined with what NumPy has for it, in float64."""
    visible = len(found["visible_bias"])
    hidden = len(found.get("hidden_bias", ()))
    weights = found.get("weights", np.zeros((visible, 0)))
    couplings = np.block(
        [
            [found.get("visible_lateral", np.zeros((visible, visible))), weights],
            [weights.T, found.get("hidden_lateral", np.zeros((hidden, hidden)))],
        ]
    )
    bias = np.concatenate([found["visible_bias"], found.get("hidden_bias", np.zeros(0))])
    return Machine(couplings.astype(np.float64), bias.astype(np.float64), visible)


def likelihood(found: dict, v) -> float:
    """The mean log-likelihood, exact."""
    of = machine_of(found)
    return float(log_marginals(of, v).mean() - log_partition(of))


def fit(objective, inputs, *, epochs, batch_size=None):
    size = batch_size or len(inputs)
    batches = -(-len(inputs) // size)
    source = BatchSource(inputs)
    for epoch in range(epochs):
        for step, batch in enumerate(source.iterate(size), epoch * batches):
            objective.step(batch, Clock(step, batches, epochs))


def slopes(found: dict, v) -> dict:
    """The gradient of the mean log-likelihood, by differences; two entries of a lateral matrix are one number."""
    result = {}
    for name, array in found.items():
        result[name] = np.zeros(array.shape)
        for index in np.ndindex(array.shape):
            if name.endswith("lateral") and index[0] == index[1]:
                continue
            ends = []
            for sign in (1, -1):
                moved = array.astype(np.float64)
                moved[index] += sign * 1e-4
                if name.endswith("lateral"):
                    moved[index[::-1]] += sign * 1e-4
                ends.append(likelihood(found | {name: moved}, v))
            result[name][index] = (ends[0] - ends[1]) / 2e-4
    return result


def moved(objective, v) -> dict:
    """How far one step of SGD with ε = 1 moves every parameter."""
    before = {name: array.copy() for name, array in arrays(objective).items()}
    objective.step(next(BatchSource(v).iterate(len(v))), Clock(0, 1, 1))
    return {name: array - before[name] for name, array in arrays(objective).items()}


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"lateral": {"visible": False, "hidden": False}},
        {"lateral": {"hidden": False}},
        {"hidden": False},
    ],
)
def test_the_exact_step_follows_the_likelihood(options):
    v = np.array(binary(4), np.float32)[[0, 3, 3, 5, 14]]
    _, objective = begun(BoltzmannMachine(exact=True, **options), v, learning_rate=1.0)
    shaken(objective)
    found = {name: array.copy() for name, array in arrays(objective).items()}
    absent = {
        "visible_lateral": not options.get("lateral", {}).get("visible", True),
        "hidden_lateral": not options.get("lateral", {}).get("hidden", True) or "hidden" in options,
        "weights": "hidden" in options,
        "hidden_bias": "hidden" in options,
    }
    assert set(found) == {name for name in PIECES if not absent.get(name)}
    loss = objective.evaluate(BatchSource(v), 2)["loss"]
    assert loss == pytest.approx(-likelihood(found, v), rel=1e-6)
    expected = slopes(found, v)
    for name, change in moved(objective, v).items():
        np.testing.assert_allclose(change, expected[name], atol=2e-6)


def test_the_sampled_step_comes_near_it():
    """Without lateral hidden couplings mean field is exact, so that chains are the only error."""
    v = np.array(binary(4), np.float32)[[0, 3, 3, 5, 14]]
    method = BoltzmannMachine(lateral={"hidden": False}, chains=3_000, gibbs_steps=20)
    _, objective = begun(method, v, learning_rate=1.0)
    shaken(objective)
    expected = slopes(arrays(objective), v)
    for name, change in moved(objective, v).items():
        np.testing.assert_allclose(change, expected[name], atol=0.03)


def test_mean_field_follows_it_where_couplings_are_weak():
    v = np.array(binary(4), np.float32)[[0, 3, 3, 5, 14]]
    _, objective = begun(BoltzmannMachine(chains=3_000, gibbs_steps=15), v, learning_rate=1.0)
    shaken(objective, scale=0.2)
    expected = slopes(arrays(objective), v)
    for name, change in moved(objective, v).items():
        np.testing.assert_allclose(change, expected[name], atol=0.03)


def test_the_loss_that_is_logged_without_sums():
    v = np.array(binary(4), np.float32)
    _, objective = begun(BoltzmannMachine(mean_field_steps=100), v)
    shaken(objective)
    of = machine_of(arrays(objective))
    means = np.full((16, 3), 0.5)
    for _ in range(300):
        sums = np.concatenate([v, means], axis=1) @ of.couplings[:, 4:] + of.bias[4:]
        means = 0.5 * means + 0.5 / (1 + np.exp(-sums))
    sums = np.concatenate([v, means], axis=1) @ of.couplings[:, :4] + of.bias[:4]
    expected = np.mean(np.sum(np.log1p(np.exp(sums)) - v * sums, axis=1))
    assert objective.evaluate(BatchSource(v), 5)["loss"] == pytest.approx(expected, rel=1e-5)
    result = objective.step(next(BatchSource(v).iterate(16)), Clock(0, 1, 1))
    assert result.loss / 16 == pytest.approx(expected, rel=1e-5)
    assert result.wrong is None


def test_without_hidden_units_it_is_the_pseudo_likelihood():
    v = np.array(binary(4), np.float32)
    _, objective = begun(BoltzmannMachine(hidden=False), v)
    shaken(objective)
    p = {tuple(row): math.exp(log) for row, log in zip(v, log_marginals(machine_of(arrays(objective)), v), strict=True)}
    total = 0.0
    for row in p:
        others = [tuple(1 - x if i == k else x for k, x in enumerate(row)) for i in range(4)]
        total -= sum(math.log(p[row] / (p[row] + p[other])) for other in others)
    assert objective.evaluate(BatchSource(v), 16)["loss"] == pytest.approx(total / 16, rel=1e-5)


def divergence(objective, v) -> float:
    """KL(data ‖ model) in nats, for data of different rows."""
    return -math.log(len(v)) - likelihood(arrays(objective), v)


def test_parity_needs_hidden_units():
    """No couplings of two units make three bits of even parity likelier than the others; hidden units do."""
    _, visible = begun(BoltzmannMachine(exact=True, hidden=False), PARITY, learning_rate=0.5, momentum=0.9)
    fit(visible, PARITY, epochs=300)
    assert divergence(visible, PARITY) == pytest.approx(math.log(2), abs=1e-4)
    _, hidden = begun(BoltzmannMachine(exact=True), PARITY, units=4, learning_rate=0.5, momentum=0.9)
    fit(hidden, PARITY, epochs=1500)
    assert divergence(hidden, PARITY) < 0.03


def test_chains_learn_what_couplings_of_visible_units_can_say():
    v = np.array([row for row in binary(4) if row[0] == row[1] and row[2] != row[3]], np.float32)
    _, objective = begun(BoltzmannMachine(hidden=False, chains=100), v, learning_rate=0.2, momentum=0.5)
    start = divergence(objective, v)
    fit(objective, v, epochs=1000)
    assert start > 1.3
    assert divergence(objective, v) < 0.25


def test_chains_and_mean_field_learn_parity():
    method = BoltzmannMachine(chains=100, lateral={"visible": True, "hidden": True})
    _, objective = begun(method, PARITY, units=4, learning_rate=0.2, momentum=0.5)
    fit(objective, PARITY, epochs=2000)
    assert divergence(objective, PARITY) < 0.2


def test_lateral_couplings_stay_symmetric_and_without_diagonal():
    v = np.array(binary(4), np.float32)[[0, 3, 3, 5, 14]]
    for exact in (True, False):
        _, objective = begun(BoltzmannMachine(exact=exact), v, momentum=0.9, weight_decay=0.01)
        fit(objective, v, epochs=20, batch_size=2)
        for name in ("visible_lateral", "hidden_lateral"):
            found = arrays(objective)[name]
            assert np.abs(found).max() > 0.01
            np.testing.assert_array_equal(found, found.T)
            assert not np.diag(found).any()


def test_biases_start_at_log_odds_and_do_not_decay():
    v = np.array([[1, 0], [1, 1], [1, 0]], np.float32)
    network, objective = begun(BoltzmannMachine(exact=True), v, learning_rate=1.0, weight_decay=0.5)
    bias = arrays(objective)["visible_bias"]
    assert 1 / (1 + np.exp(-bias)) == pytest.approx([3.5 / 4, 1.5 / 4])
    shaken(objective)
    before = {name: array.copy() for name, array in arrays(objective).items()}
    change = moved(objective, v)
    expected = slopes(before, v)
    for name in PIECES:
        decay = 0 if name.endswith("bias") else 0.5
        np.testing.assert_allclose(change[name], expected[name] - decay * before[name], atol=2e-6)
    assert network.graph.parameters["hidden/bias"].multipliers.decay_multiplier == 1.0  # of supervised training


@pytest.mark.parametrize(
    "options", [{"damping": 0.0}, {"mean_field_steps": 1}, {"chains": 50}, {"gibbs_steps": 2}, {"exact": True}]
)
def test_every_option_matters(options):
    v = np.array(binary(4), np.float32)[[0, 3, 3, 5, 14]]
    found = []
    for other in ({}, options):
        _, objective = begun(BoltzmannMachine(**{"mean_field_steps": 3} | other), v)
        shaken(objective)
        found.append(moved(objective, v)["weights"])
    assert not np.allclose(*found, atol=1e-6)


def test_hidden_false_leaves_the_layer_as_it_is():
    v = np.array(binary(4), np.float32)
    network, objective = begun(BoltzmannMachine(hidden=False), v)
    before = network.parameters["hidden/weights"].copy()
    fit(objective, v, epochs=3)
    np.testing.assert_array_equal(network.parameters["hidden/weights"], before)
    assert set(objective.kept()) == {"hidden.machine/visible_bias", "hidden.machine/visible_lateral"}


def test_threads_change_nothing():
    import numba

    v = np.random.default_rng(0).integers(0, 2, (60, 40)).astype(np.float32)
    found = []
    for count in (1, 3):
        numba.set_num_threads(count)
        _, objective = begun(BoltzmannMachine(), v, units=30)
        fit(objective, v, epochs=3, batch_size=25)
        found.append({name: array.tobytes() for name, array in objective.tensors().items()})
    numba.set_num_threads(1)
    assert found[0] == found[1]


@pytest.mark.parametrize("exact", [False, True])
def test_a_run_keeps_the_machine_and_goes_on_where_it_was_stopped(data, exact):
    of = experiment(RUN, pretrain__method={"type": "boltzmann_machine", "chains": 7, "exact": exact})
    train(data / "whole", of)
    for step in (3, 15):  # of the first layer, and of the second
        train_until(data / f"cut{step}", step, of)
        own = last(data / f"cut{step}").tensors
        layer = "hidden1" if step == 3 else "hidden2"
        assert (f"{layer}.machine/chains" in own) == (not exact)
        train(data / f"cut{step}", of, resume=True)
        assert outcome(data / f"cut{step}") == outcome(data / "whole")
    kept = last(data / "whole").record["kept"]
    names = ("hidden_bias", "hidden_lateral", "visible_bias", "visible_lateral", "weights")
    assert kept == [f"{layer}.machine/{name}" for layer in ("hidden1", "hidden2") for name in names]


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("rate", [1e30, 1e38])
def test_a_rate_beyond_all_bounds_diverges(data, exact, rate):
    of = experiment(RUN, pretrain__method__exact=exact, pretrain__sgd={"learning_rate": rate})
    with pytest.raises(Diverged, match="layer hidden1"):
        train(data / "run", of)


@pytest.mark.parametrize(
    ("method", "layer", "message"),
    [
        ({}, {"activation": "relu"}, "hidden is relu; expected sigmoid units with a bias"),
        ({}, {"activation": "sigmoid", "bias": False}, "hidden is without bias; expected sigmoid units with a bias"),
        ({"exact": True}, {"activation": "sigmoid", "units": 21}, "hidden has 21 units, expected 20 at most"),
    ],
)
def test_layers_that_cannot_be_hidden_units_are_refused(method, layer, message):
    dense = Dense(**{"name": "hidden", "units": 3} | layer)
    graph = Graph.build([dense, Dense(name="output", units=2)], (4,))
    with pytest.raises(ValueError, match=message):
        BoltzmannMachine(**method).check(graph.node("hidden"))


def test_inputs_beyond_0_and_1_are_refused():
    with pytest.raises(MisfitError, match="the inputs of hidden go from -1 to 1; binary units expect them from 0 to 1"):
        begun(BoltzmannMachine(), np.array([[-1, 1], [0, 1]], np.float32))


def test_a_search_along_lines_is_refused():
    of = experiment(RUN | {"pretrain": {"method": "boltzmann_machine", "optimiser": {"type": "lbfgs"}}})
    with pytest.raises(MisfitError, match="a Boltzmann machine's loss is not known along a line") as misfit:
        nodes_to_pretrain(of.pretrain, Graph.build(of.network, (2,)))
    assert misfit.value.path == ("pretrain", "optimiser")


def test_no_couplings_at_all_are_refused():
    with pytest.raises(ValidationError, match="found no couplings at all"):
        BoltzmannMachine(hidden=False, lateral={"visible": False})
