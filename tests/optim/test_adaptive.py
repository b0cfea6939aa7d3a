"""Nesterov, AdaGrad, RMSProp and Adam against naive loops over numbers, and for what holds of all of them."""

import math
from unittest import mock

import numba
import numpy as np
import pytest
from pydantic import ValidationError

from dlcli.graph import Graph
from dlcli.kernels import adaptive
from dlcli.kernels.sink import STORE
from dlcli.network import Network
from dlcli.optim.adam import Adam
from dlcli.optim.base import Optimiser
from dlcli.optim.descent import gradient_norm
from dlcli.optim.nesterov import Nesterov
from dlcli.optim.rmsprop import RmsProp
from tests.layers.case import spread
from tests.layers.harness import layer_of
from tests.optim.test_sgd import MULTIPLIERS, SHAPES, SPECS, TIED, Written, clock, gradient, parameters

SCHEDULE = {"type": "inverse", "gamma": 0.1, "power": 0.75}
CASES = {
    "nesterov": {"type": "nesterov", "momentum": 0.8},
    "nesterov with a changing momentum": {
        "type": "nesterov",
        "momentum": {"type": "multistep", "initial": 0.5, "milestones": [7, 15], "gamma": 1.3},
    },
    "adagrad": {"type": "adagrad", "epsilon": 0.01},
    "rmsprop": {"type": "rmsprop", "rho": 0.7, "epsilon": 0.02},
    "adam": {"type": "adam", "beta1": 0.8, "beta2": 0.95, "epsilon": 0.01},
    "adamw": {"type": "adam", "beta1": 0.8, "beta2": 0.95, "epsilon": 0.01, "decoupled": True},
}
STATES = {
    "nesterov": ["momentum"],
    "adagrad": ["adagrad/squares"],
    "rmsprop": ["rmsprop/squares"],
    "adam": ["adam/first", "adam/second"],
}
every_case = pytest.mark.parametrize("name", CASES)


def read(name, **options) -> Optimiser:
    return Written.model_validate({"optimiser": CASES.get(name, {"type": name}) | options}).optimiser


def rate(step):
    return 0.05 * (1 + 0.1 * step) ** -0.75


class Naive:
    """One number's parameter and states, as the papers have it."""

    def __init__(self, name, w, multipliers, decay):
        self.name, self.w, self.first, self.second, self.steps = name, w, 0.0, 0.0, 0
        self.factor, self.decay = multipliers.learning_rate_multiplier, decay * multipliers.decay_multiplier

    def step(self, g):
        eta, options = rate(self.steps) * self.factor, CASES[self.name]
        self.steps += 1
        if self.name == "adamw":
            self.w -= eta * self.decay * self.w
        else:
            g += self.decay * self.w
        getattr(self, options["type"])(g, eta, options)

    def nesterov(self, g, eta, options):
        """``second`` is α v: w − α v is Sutskever's θ, and w the point at which the gradient is taken."""
        alpha = options["momentum"]
        if isinstance(alpha, dict):
            alpha = 0.5 * 1.3 ** ((self.steps > 7) + (self.steps > 15))
            self.second = alpha * self.first  # with a changing α, this step's stands for its neighbours' too
        theta = self.w - self.second
        self.first = alpha * self.first - eta * g
        theta += self.first
        self.second = alpha * self.first
        self.w = theta + self.second

    def adagrad(self, g, eta, options):
        self.first += g**2
        self.w -= eta * g / (math.sqrt(self.first) + options["epsilon"])

    def rmsprop(self, g, eta, options):
        self.first = options["rho"] * self.first + (1 - options["rho"]) * g**2
        self.w -= eta * g / (math.sqrt(self.first) + options["epsilon"])

    def adam(self, g, eta, options):
        b1, b2, t = options["beta1"], options["beta2"], self.steps
        self.first = b1 * self.first + (1 - b1) * g
        self.second = b2 * self.second + (1 - b2) * g * g
        first, second = self.first / (1 - b1**t), self.second / (1 - b2**t)
        self.w -= eta * first / (math.sqrt(second) + options["epsilon"])


def take_steps(optimiser, steps, dtype=np.float64, first=0, updater=None, w=None):
    w = parameters(dtype) if w is None else w
    updater = updater or optimiser.updater(w, SPECS)
    for step in range(first, steps):
        updater.begin(clock(step))
        for name, array in updater.gradients.items():
            array[...] = gradient(name, step)
        updater.finish()
    return w, updater


@every_case
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 2e-5)])
def test_it_is_the_naive_loop(name, dtype, tolerance):
    options = read(name, learning_rate=0.05, schedule=SCHEDULE, weight_decay=0.03)
    w, updater = take_steps(options, 25, dtype)
    for parameter, start in parameters().items():
        numbers = [Naive(name, float(value), MULTIPLIERS[parameter], 0.03) for value in start.reshape(-1)]
        for step in range(25):
            for number, g in zip(numbers, gradient(parameter, step).reshape(-1), strict=True):
                number.step(float(g))
        shape, near = start.shape, {"rtol": tolerance, "atol": tolerance}
        assert w[parameter].dtype == dtype
        np.testing.assert_allclose(w[parameter], np.reshape([n.w for n in numbers], shape), **near)
        states = STATES[options.type]
        for state, key in zip(states, ("first", "second"), strict=False):
            found = updater.state[f"{state}/{parameter}"]
            np.testing.assert_allclose(found, np.reshape([getattr(n, key) for n in numbers], shape), **near)
    assert updater.learning_rate == pytest.approx(rate(24))


@every_case
def test_state_and_sinks_have_a_checkpoints_names(name):
    updater = read(name, learning_rate=0.1).updater(parameters(), SPECS, stored={"hidden/bias"})
    states = STATES[read(name, learning_rate=0.1).type]
    assert set(updater.state) == {f"{state}/{parameter}" for state in states for parameter in SHAPES}
    assert set(updater.gradients) == set(SHAPES)
    for parameter, sink in updater.sinks.items():
        assert sink.kind == STORE
        assert sink.target is updater.gradients[parameter]


@every_case
def test_state_and_clock_are_all_that_it_remembers(name):
    options = read(name, learning_rate=0.05, schedule=SCHEDULE, weight_decay=0.03)
    w, updater = take_steps(options, 6, np.float32)
    copy = {parameter: array.copy() for parameter, array in w.items()}
    resumed = options.updater(copy, SPECS)
    for state, array in resumed.state.items():
        array[...] = updater.state[state]
    take_steps(options, 11, first=6, updater=updater, w=w)
    take_steps(options, 11, first=6, updater=resumed, w=copy)
    for parameter, array in w.items():
        assert array.tobytes() == copy[parameter].tobytes()
    for state, array in updater.state.items():
        assert array.tobytes() == resumed.state[state].tobytes()


@every_case
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_threads_and_places_leave_every_bit(name, dtype):
    """A number's update depends on its own history alone: not on the threads, nor on where it stands."""
    size = 2 * adaptive.PIECE + 37
    options = read(name, learning_rate=0.05, weight_decay=0.03)
    start, gradients = spread((size,), 1).astype(dtype), [spread((size,), seed).astype(dtype) for seed in (2, 3, 4)]

    def run(part):
        w = {"hidden/bias": start[part].copy()}
        updater = options.updater(w, SPECS)
        for step, g in enumerate(gradients):
            updater.begin(clock(step))
            updater.gradients["hidden/bias"][...] = g[part]
            updater.finish()
        return np.array([w["hidden/bias"], *updater.state.values()])

    before, whole = numba.get_num_threads(), []
    try:
        with mock.patch.object(adaptive, "SERIAL", 1):
            for threads in (1, 2, 3):
                numba.set_num_threads(threads)
                whole.append(run(slice(None)))
    finally:
        numba.set_num_threads(before)
    assert whole[0].tobytes() == whole[1].tobytes() == whole[2].tobytes()
    for part in (slice(0, 1), slice(3, 20), slice(size - 5, size)):
        assert run(part).tobytes() == np.ascontiguousarray(whole[0][:, part]).tobytes()


@every_case
def test_longer_gradients_are_scaled_down_to_the_limit(name):
    norm = gradient_norm({parameter: gradient(parameter, 0) for parameter in SHAPES})
    _, updater = take_steps(read(name, learning_rate=0.1, clip_norm=0.25 * norm), 1)
    assert gradient_norm(updater.gradients) == pytest.approx(0.25 * norm, rel=1e-14)
    halved = parameters()
    other = read(name, learning_rate=0.1).updater(halved, SPECS)
    other.begin(clock(0))
    for parameter, array in other.gradients.items():
        array[...] = 0.25 * gradient(parameter, 0)
    other.finish()
    clipped, _ = take_steps(read(name, learning_rate=0.1, clip_norm=0.25 * norm), 1)
    for parameter, array in halved.items():
        np.testing.assert_allclose(clipped[parameter], array, rtol=1e-12)


@every_case
def test_what_is_not_finite_is_not_hidden(name):
    w, updater = take_steps(read(name, learning_rate=0.1), 1)
    updater.begin(clock(1))
    updater.gradients["hidden/bias"][0] = np.inf
    updater.gradients["hidden/weights"][0, 0] = np.nan
    with np.errstate(all="ignore"):  # NumPy's, where it stands in for kernels
        updater.finish()
    assert not all(np.isfinite(array).all() for array in (w["hidden/bias"], *updater.state.values()))
    assert np.isnan(w["hidden/weights"][0, 0])


@every_case
def test_a_rate_of_zero_changes_nothing(name):
    options = read(name, learning_rate=0.1, weight_decay=0.1).model_copy(update={"learning_rate": 0.0})
    w, _ = take_steps(options, 3)
    for parameter, array in parameters().items():
        assert w[parameter].tobytes() == array.tobytes()


@every_case
def test_shared_parameters_are_updated_once_with_the_sum_of_their_gradients(name):
    """As if both gradients had been stored and added by hand."""
    graph = Graph.build(map(layer_of, TIED), (8,))
    options, results = read(name, learning_rate=0.05), []
    for by_hand in (False, True):
        net = Network(graph, dtype=np.float64, seed=2)
        net.initialise()
        updater = options.updater(net.parameters, graph.parameters, stored=graph.shared)
        net.bind(updater.sinks)
        for step in range(4):
            x = spread((5, 8), step)
            updater.begin(clock(step))
            y = net.forward(x, training=True, step=step).copy()
            net.output_gradient(5)[:] = y
            if by_hand:
                w, h = net.parameters["code/weights"], net.outputs(5)["code"].copy()
                dz = (y @ w) * h * (1 - h)
                total = {
                    "code/weights": y.T @ h + x.T @ dz,
                    "code/bias": dz.sum(0),
                    "dense_transposed_1/bias": y.sum(0),
                }
                for parameter, g in total.items():
                    updater.gradients[parameter][...] = g
            else:
                net.backward(5)
            updater.finish()
        results.append(net.parameters)
    for parameter, array in results[0].items():
        np.testing.assert_allclose(array, results[1][parameter], rtol=1e-9, atol=1e-11)


def test_every_optimiser_is_described():
    assert set(Optimiser.members()) == {*STATES, "sgd", "lbfgs"}
    for member in Optimiser.members().values():
        assert member.__doc__
        assert all(field.description for name, field in member.model_fields.items() if name != "type"), member


@every_case
def test_writing_and_reading_changes_nothing(name):
    options = read(name, learning_rate=0.1, clip_norm=2.0)
    assert Written.model_validate({"optimiser": options.model_dump(mode="json")}).optimiser == options


def test_defaults_are_those_of_the_papers():
    adam = Adam(learning_rate=0.001)
    assert (adam.beta1, adam.beta2, adam.epsilon, adam.decoupled) == (0.9, 0.999, 1e-8, False)
    assert (RmsProp(learning_rate=0.1).rho, RmsProp(learning_rate=0.1).epsilon) == (0.9, 1e-8)
    assert Nesterov(learning_rate=0.1).momentum == 0.9


def test_other_spellings():
    greek = {"type": "adam", "learning_rate": 0.1, "β1": 0.5, "beta_2": 0.9, "eps": 0.1, "λ": 0.2}
    found = Written.model_validate({"optimiser": greek}).optimiser
    assert found == Adam(learning_rate=0.1, beta1=0.5, beta2=0.9, epsilon=0.1, weight_decay=0.2)
    assert Nesterov.model_validate({"ε": 0.1, "α": 0.5}) == Nesterov(learning_rate=0.1, momentum=0.5)
    assert RmsProp.model_validate({"learning_rate": 0.1, "ρ": 0.5}) == RmsProp(learning_rate=0.1, rho=0.5)


def test_memory_counts_states_and_stored_gradients():
    counts = {name: read(name, learning_rate=0.1).memory() for name in STATES}
    assert counts == {"nesterov": 2, "adagrad": 2, "rmsprop": 2, "adam": 3}
    assert read("sgd", learning_rate=0.1).memory() == 1
    assert read("sgd", learning_rate=0.1, clip_norm=1.0).memory() == 2


@pytest.mark.parametrize(
    ("name", "option", "value"),
    [
        ("adam", "beta1", 1.0),
        ("adam", "beta2", -0.1),
        ("adam", "epsilon", 0.0),
        ("adam", "ε", 0.1),  # in sgd it is the rate: not to be confused
        ("adam", "momentum", 0.9),
        ("adam", "schedule", {"type": "constant", "initial": 0.2}),
        ("rmsprop", "rho", 1.0),
        ("adagrad", "epsilon", -1.0),
        ("nesterov", "momentum", 1.0),
        ("nesterov", "weight_decay", -1.0),
    ],
)
def test_broken_options_are_refused(name, option, value):
    with pytest.raises(ValidationError) as failure:
        read(name, **{"learning_rate": 0.1, option: value})
    assert all(mistake["loc"][:3] == ("optimiser", name, option) for mistake in failure.value.errors())
    with pytest.raises(ValidationError, match="learning_rate"):
        Written.model_validate({"optimiser": {"type": name}})
