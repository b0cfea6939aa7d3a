"""L-BFGS against the matrices that it stands for, on functions known to be hard, and on what a network is."""

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from dlcli.initialisers.zeros import Zeros
from dlcli.layers.base import MultiplierOptions, ParameterSpec
from dlcli.optim.base import Optimiser
from dlcli.optim.curvature import Curvature
from dlcli.optim.lbfgs import Lbfgs
from dlcli.optim.schedules.base import Clock
from dlcli.options import Options
from dlcli.training.run_directory import read_rows
from tests.runs import experiment, train

START = Clock(0, 1, 1)


class Written(Options):
    optimiser: Optimiser


class Problem:
    """A function of named arrays, made small step by step; ``asked`` counts its evaluations."""

    def __init__(self, function, gradient, multipliers=None, dtype=np.float64, **start):
        self.function, self.gradient, self.asked = function, gradient, 0
        self.w = {name: np.array(value, dtype) for name, value in start.items()}
        own = multipliers or {}
        self.specs = {
            name: ParameterSpec(array.shape, Zeros(), 1, 1, own.get(name, MultiplierOptions()))
            for name, array in self.w.items()
        }

    def begin(self, **options):
        self.updater = Lbfgs(**options).updater(self.w, self.specs)
        return self

    def evaluate(self):
        self.asked += 1
        value = float(self.function(**self.w))
        if math.isfinite(value):
            for name, gradient in self.gradient(**self.w).items():
                self.updater.gradients[name][...] = gradient
        return value

    def step(self):
        self.updater.begin(START)
        value = self.evaluate()
        self.updater.finish(value, self.evaluate)
        return value


def rosenbrock(dtype=np.float64):
    """(1 − x)² + 100 (y − x²)², from the usual start: a bent valley."""
    return Problem(
        lambda x, y: (1 - x[0]) ** 2 + 100 * (y[0] - x[0] ** 2) ** 2,
        lambda x, y: {"x": -2 * (1 - x) - 400 * x * (y - x**2), "y": 200 * (y - x**2)},
        dtype=dtype,
        x=[-1.2],
        y=[1.0],
    )


def quadratic(scales, multipliers=None):
    """½ Σ s_i (w_i − 1)², in two arrays."""
    half = len(scales) // 2
    a, b = np.array(scales[:half]), np.array(scales[half:])
    return Problem(
        lambda a_, b_: 0.5 * (np.sum(a * (a_ - 1) ** 2) + np.sum(b * (b_ - 1) ** 2)),
        lambda a_, b_: {"a_": a * (a_ - 1), "b_": b * (b_ - 1)},
        multipliers,
        a_=np.zeros(half),
        b_=np.zeros(len(scales) - half),
    )


def test_the_recursion_is_the_product_with_the_bfgs_matrix():
    """H' = (1 − ρ s yᵀ) H (1 − ρ y sᵀ) + ρ s sᵀ, from H = γ 1 over the last pairs: eqs. (7.16) and (7.20)."""
    random = np.random.default_rng(1)
    hessian = np.diag(np.linspace(0.5, 3.0, 6)) + 0.1
    gradient, direction = np.zeros(6), np.zeros(6)
    curvature = Curvature(3, gradient, direction)
    pairs = []
    for _ in range(5):
        direction[:] = random.normal(size=6)
        before = random.normal(size=6)
        gradient[:] = before + 0.7 * hessian @ direction
        pairs.append((0.7 * direction, gradient - before))
        curvature.remember(0.7, before)
        kept = pairs[-3:]
        s, y = kept[-1]
        matrix = (s @ y) / (y @ y) * np.eye(6)
        for s, y in kept:
            left = np.eye(6) - np.outer(s, y) / (s @ y)
            matrix = left @ matrix @ left.T + np.outer(s, s) / (s @ y)
        gradient[:] = random.normal(size=6)
        assert curvature.direct()
        np.testing.assert_allclose(direction, -matrix @ gradient, rtol=1e-10, atol=1e-12)
    curvature.forget()
    assert not curvature.direct()
    assert direction.tolist() == (-gradient).tolist()


def test_a_pair_without_curvature_is_left_out():
    gradient, direction = np.array([1.0, 2.0]), np.array([1.0, 0.0])
    curvature = Curvature(2, gradient, direction)
    curvature.remember(0.5, np.array([3.0, 2.0]))  # the slope has fallen along the step
    assert not curvature.direct()
    assert direction.tolist() == [-1.0, -2.0]


def test_rosenbrock_s_valley():
    problem = rosenbrock().begin()
    values = [problem.step() for _ in range(45)]
    assert values[-1] < 1e-20
    assert problem.asked < 110
    np.testing.assert_allclose([*problem.w["x"], *problem.w["y"]], 1.0, rtol=1e-9)
    assert all(later <= earlier for earlier, later in pairwise(values))


def test_float32_ends_at_its_own_accuracy_and_stays():
    problem = rosenbrock(np.float32).begin()
    values = [problem.step() for _ in range(60)]
    assert values[-1] < 1e-9
    assert all(later <= earlier for earlier, later in pairwise(values))
    assert problem.w["x"].dtype == np.float32


def test_a_badly_scaled_quadratic_takes_few_steps():
    scales = np.geomspace(0.1, 100, 8)
    problem = quadratic(scales).begin(history=8)
    for _ in range(40):
        problem.step()
    errors = (1 - 2 / (0.1 + 100) * scales) ** 80  # of gradient descent at its best rate, evaluated as often
    assert problem.asked <= 90
    assert problem.evaluate() < 1e-3 * 0.5 * np.sum(scales * errors**2)


@pytest.mark.parametrize("history", [1, 3])
def test_the_history_may_be_short(history):
    problem = rosenbrock().begin(history=history)
    for _ in range(150):
        problem.step()
    assert problem.evaluate() < 1e-12


def test_the_first_step_is_no_longer_than_a_gradient_of_length_one():
    problem = quadratic([3.0, 4.0, 0.0, 0.0]).begin()
    problem.step()
    moved = np.linalg.norm([*problem.w["a_"], *problem.w["b_"]])
    assert problem.updater.learning_rate * 5.0 == pytest.approx(moved)


def test_decay_is_part_of_what_is_made_small():
    """The minimum of ½ s (w − 1)² + ½ λ w² is s / (s + λ)."""
    multipliers = {"b_": MultiplierOptions(decay_multiplier=0.0)}
    problem = quadratic([1.0, 2.0, 3.0, 4.0], multipliers).begin(weight_decay=0.5)
    for _ in range(25):
        problem.step()
    np.testing.assert_allclose(problem.w["a_"], [1 / 1.5, 2 / 2.5], rtol=1e-7)
    np.testing.assert_allclose(problem.w["b_"], 1.0, rtol=1e-7)


def test_a_multiplier_scales_the_first_step_and_zero_keeps_a_parameter():
    multipliers = {"a_": MultiplierOptions(learning_rate_multiplier=4.0)}
    problem = quadratic([0.1] * 4, multipliers).begin()
    problem.step()
    np.testing.assert_allclose(problem.w["a_"], 4 * problem.w["b_"], rtol=1e-12)
    for _ in range(10):
        problem.step()
    np.testing.assert_allclose([*problem.w["a_"], *problem.w["b_"]], 1.0, rtol=1e-6)
    still = quadratic([0.1, 0.2, 0.3, 0.4], {"a_": MultiplierOptions(learning_rate_multiplier=0.0)}).begin()
    for _ in range(15):
        still.step()
    assert not still.w["a_"].any()
    np.testing.assert_allclose(still.w["b_"], 1.0, rtol=1e-7)


def test_it_stays_where_nothing_is_better():
    problem = rosenbrock().begin()
    for _ in range(3):
        problem.step()
    before = {name: array.copy() for name, array in problem.w.items()}
    problem.function, count = lambda x, y: math.inf, problem.asked
    problem.updater.finish(1.0, problem.evaluate)
    assert problem.asked == count + 20
    assert all(problem.w[name].tobytes() == before[name].tobytes() for name in before)
    assert problem.updater.learning_rate == 0.0
    assert problem.updater.state["lbfgs/count"].tolist() == [0]


def test_at_the_minimum_there_is_nothing_to_do():
    problem = quadratic([1.0, 2.0]).begin()
    for array in problem.w.values():
        array[...] = 1.0
    problem.step()
    assert problem.asked == 1
    assert all((array == 1.0).all() for array in problem.w.values())


def test_an_infinite_gradient_is_not_hidden():
    problem = quadratic([1.0, 2.0]).begin()
    problem.evaluate()
    problem.updater.gradients["a_"][...] = np.inf
    with np.errstate(all="ignore"):
        problem.updater.finish(1.0, problem.evaluate)
    assert not np.isfinite(problem.w["a_"]).all()


def test_its_state_is_all_that_it_remembers():
    first, second = rosenbrock().begin(history=3), rosenbrock().begin(history=3)
    for _ in range(8):
        first.step()
    for held, array in ((second.w, first.w), (second.updater.state, first.updater.state)):
        for name in held:
            held[name][...] = array[name]
    for _ in range(5):
        assert first.step() == second.step()
    for name, array in first.updater.state.items():
        assert array.tobytes() == second.updater.state[name].tobytes(), name
    assert set(first.updater.state) == {f"lbfgs/{name}" for name in ("steps", "changes", "products", "count")}


IRIS = Path(__file__).parents[2] / "configs" / "iris.csv"


def softmax_regression(optimiser, epochs):
    return {
        "name": "iris",
        "data": {
            "source": {"type": "csv", "train": str(IRIS), "label": "species"},
            "batch_size": 150,
            "transform": [{"type": "standardise"}],
        },
        "network": [{"type": "dense", "units": 3, "name": "output"}],
        "loss": "softmax_cross_entropy",
        "optimiser": optimiser,
        "training": {"epochs": epochs},
    }


def test_softmax_regression_needs_few_steps(tmp_path):
    """Twenty steps, some forty evaluations, against forty steps of gradient descent at any of four rates."""
    lbfgs = train(tmp_path / "lbfgs", experiment(softmax_regression("lbfgs", 20)))["train_loss"]
    descent = []
    for rate in (0.03, 0.3, 3.0, 30.0):
        sgd = {"type": "sgd", "learning_rate": rate, "momentum": 0.0}
        descent.append(train(tmp_path / f"sgd-{rate}", experiment(softmax_regression(sgd, 40)))["train_loss"])
    minimum = 0.03966
    assert minimum < lbfgs < 1.005 * minimum
    assert lbfgs - minimum < 0.05 * (min(descent) - minimum)
    row = read_rows(tmp_path / "lbfgs")[-1]
    assert row["train_error"] < 0.03
    assert row["learning_rate"] > 0


def test_options():
    assert Written.model_validate({"optimiser": "lbfgs"}).optimiser == Lbfgs()
    assert Lbfgs().memory() == 24
    assert Lbfgs(**{"lambda": 0.1}).weight_decay == 0.1
    for option, value in (("history", 0), ("learning_rate", 0.0), ("weight_decay", -1.0), ("evaluations", 1)):
        with pytest.raises(ValueError, match=option):
            Written.model_validate({"optimiser": {"type": "lbfgs", option: value}})
    with pytest.raises(ValueError, match="expected a way to evaluate the loss again"):
        rosenbrock().begin().updater.finish(1.0)
