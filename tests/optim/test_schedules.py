"""Every schedule against its formula, step by step; plateau on histories made by hand and at random."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from dlcli.errors import UsageError
from dlcli.optim.schedules.base import Clock, Schedule
from dlcli.options import Options

STEPS_PER_EPOCH, EPOCHS = 7, 40
STEPS = STEPS_PER_EPOCH * EPOCHS


class Written(Options):
    schedule: Schedule
    """As a config holds it."""


def read(options) -> Schedule:
    return Written.model_validate({"schedule": options}).schedule


def clock(step, history=()):
    return Clock(step, STEPS_PER_EPOCH, EPOCHS, tuple(history))


def walk(factor, changes, gamma):
    """What a rate becomes when it is multiplied by gamma before each t in ``changes``."""
    rates = []
    for t in range(STEPS + 20):
        factor *= gamma if t in changes else 1.0
        rates.append(factor)
    return rates


# (options, the naive factor of each t = 0, 1, …)
FORMULAS = [
    ({"type": "constant"}, [1.0] * 300),
    ({"type": "step", "gamma": 0.3, "every": 9}, walk(1.0, range(9, 400, 9), 0.3)),
    ({"type": "multistep", "gamma": 1.8, "milestones": [5, 6, 30]}, walk(1.0, (5, 6, 30), 1.8)),
    ({"type": "exponential", "gamma": 0.97}, walk(1.0, range(1, 400), 0.97)),
    ({"type": "inverse", "gamma": 0.01, "power": 0.75}, [math.exp(-0.75 * math.log(1 + 0.01 * t)) for t in range(300)]),
    ({"type": "polynomial", "power": 2.0, "duration": 30}, [(1 - t / 30) ** 2 if t < 30 else 0.0 for t in range(300)]),
    ({"type": "polynomial", "end": 0.2, "duration": 25}, [max(1 - 0.8 * t / 25, 0.2) for t in range(300)]),
]  # fmt: skip

BROKEN = [
    ({"type": "constant", "gamma": 1.0}, "gamma"),
    ({"type": "step", "gamma": 0.0, "every": 3}, "gamma"),
    ({"type": "step", "gamma": 0.1, "every": 0}, "every"),
    ({"type": "multistep", "gamma": 0.1, "milestones": []}, "milestones"),
    ({"type": "multistep", "gamma": 0.1, "milestones": [0]}, "milestones"),
    ({"type": "multistep", "gamma": 0.1, "milestones": [3, 9, 9]}, "found 9 after 9, expected numbers in rising order"),
    ({"type": "multistep", "gamma": 0.1, "milestones": [9, 3]}, "found 3 after 9"),
    ({"type": "exponential", "gamma": -0.9}, "gamma"),
    ({"type": "inverse", "gamma": -1.0, "power": 1.0}, "gamma"),
    ({"type": "inverse", "gamma": 1.0, "power": -1.0}, "power"),
    ({"type": "polynomial", "power": -1.0}, "power"),
    ({"type": "polynomial", "end": -0.1}, "end"),
    ({"type": "polynomial", "duration": 0}, "duration"),
    ({"type": "plateau", "factor": 1.0}, "factor|gamma"),
    ({"type": "plateau", "patience": 0}, "patience"),
    ({"type": "plateau", "metric": "accuracy"}, "metric"),
    ({"type": "plateau", "minimum_change": -1.0}, "minimum_change"),
    ({"type": "plateau", "cooldown": -1}, "cooldown"),
    ({"type": "plateau", "lower_bound": 1.5}, "lower_bound"),
    ({"type": "constant", "unit": "second"}, "unit"),
    ({"type": "constant", "initial": -1.0}, "initial"),
    ({"type": "constant", "warm_up": {"duration": 0}}, "duration"),
    ({"type": "constant", "warm_up": {"duration": 5, "start": 1.0}}, "start"),
    ({"type": "constant", "warm_up": {"start": 0.5}}, "duration"),
]


def test_every_schedule_has_a_case():
    assert {read(options).type for options, _ in FORMULAS} | {"plateau"} == set(Schedule.members())


def test_every_option_is_described():
    for member in Schedule.members().values():
        assert member.__doc__
        assert all(field.description for name, field in member.model_fields.items() if name != "type"), member


@pytest.mark.parametrize(("options", "naive"), FORMULAS, ids=str)
def test_each_step_has_the_factor_of_the_formula(options, naive):
    schedule = read(options)
    assert [schedule.factor(clock(t)) for t in range(STEPS)] == pytest.approx(naive[:STEPS], rel=1e-12, abs=1e-15)


@pytest.mark.parametrize(("options", "naive"), FORMULAS, ids=str)
def test_each_epoch_has_the_factor_of_the_formula_throughout(options, naive):
    schedule = read(options | {"unit": "epoch"})
    expected = [naive[t // STEPS_PER_EPOCH] for t in range(STEPS)]
    assert [schedule.factor(clock(t)) for t in range(STEPS)] == pytest.approx(expected, rel=1e-12, abs=1e-15)


@pytest.mark.parametrize(("unit", "whole"), [("step", STEPS), ("epoch", EPOCHS)])
def test_a_polynomial_takes_the_whole_stage_unless_told_otherwise(unit, whole):
    untold, told = read({"type": "polynomial", "unit": unit}), read({"type": "poly", "unit": unit, "duration": whole})
    assert all(untold.factor(clock(t)) == told.factor(clock(t)) for t in range(STEPS + 3))
    last = untold.factor(clock(STEPS - 1))
    assert last == pytest.approx(1 / whole)
    assert untold.factor(clock(STEPS)) == 0


def test_a_stage_of_no_epochs_has_a_factor():
    assert read("polynomial").factor(Clock(0, STEPS_PER_EPOCH, 0)) == 0


@pytest.mark.parametrize(
    ("caffe", "ours"),
    [
        ({"type": "fixed"}, {"type": "constant"}),
        ({"type": "exp", "gamma": 0.9}, {"type": "exponential", "gamma": 0.9}),
        ({"type": "inv", "gamma": 0.1, "power": 1.0}, {"type": "inverse", "gamma": 0.1, "power": 1.0}),
        ({"type": "poly", "power": 3.0}, {"type": "polynomial", "power": 3.0}),
    ],
)
def test_caffes_names_are_read(caffe, ours):
    assert read(caffe) == read(ours)


@pytest.mark.parametrize("options", [case[0] for case in FORMULAS] + [{"type": "plateau", "factor": 0.5}], ids=str)
def test_writing_and_reading_changes_nothing(options):
    schedule = read(options | {"warm_up": {"duration": 3, "from": 0.25}, "initial": 0.5})
    assert read(schedule.model_dump(mode="json")) == schedule


def test_a_rate_that_explodes_or_vanishes_is_no_error():
    assert read({"type": "exponential", "gamma": 1.8}).factor(clock(10**6)) == math.inf
    assert read({"type": "exponential", "gamma": 0.5}).factor(clock(10**6)) == 0.0
    assert read({"type": "inverse", "gamma": 1e308, "power": 9.0}).factor(clock(10**6)) == 0.0


@pytest.mark.parametrize(("options", "named"), BROKEN, ids=str)
def test_a_broken_bound_is_refused(options, named):
    with pytest.raises(ValidationError, match=named):
        read(options)


# Warm-up and initial value


@pytest.mark.parametrize(("unit", "duration"), [("step", 21), ("epoch", 3)])
def test_a_warm_up_rises_with_every_step_from_its_start_to_one(unit, duration):
    schedule = read({"type": "constant", "unit": unit, "warm_up": {"duration": duration, "start": 0.1}})
    factors = [schedule.factor(clock(t)) for t in range(25)]
    assert factors == pytest.approx([0.1 + 0.9 * min(t, 21) / 21 for t in range(25)], rel=1e-12)
    assert factors[0] == 0.1
    assert factors[21] == 1.0


@pytest.mark.parametrize(("options", "naive"), FORMULAS, ids=str)
def test_a_warm_up_multiplies_a_schedule_whose_time_runs_on(options, naive):
    schedule = read(options | {"warm_up": {"duration": 50}})
    expected = [naive[t] * min(t / 50, 1) for t in range(STEPS)]
    assert [schedule.factor(clock(t)) for t in range(STEPS)] == pytest.approx(expected, rel=1e-12, abs=1e-15)


@given(st.integers(1, 60), st.floats(0, 1, exclude_max=True), st.integers(0, STEPS))
def test_a_warm_up_stays_between_its_start_and_one(duration, start, step):
    schedule = read({"type": "constant", "warm_up": {"duration": duration, "start": start}})
    assert start <= schedule.factor(clock(step)) <= 1.0
    assert schedule.factor(clock(step)) <= schedule.factor(clock(step + 1))


def test_an_initial_value_makes_a_schedule_stand_for_a_number():
    options = {"type": "multistep", "initial": 0.5, "milestones": [5], "gamma": 1.8, "unit": "epoch"}
    momentum = read(options)
    values = [momentum.initial * momentum.factor(clock(epoch * STEPS_PER_EPOCH)) for epoch in (0, 4, 5, 20)]
    assert values == [0.5, 0.5, 0.9, 0.9]


# Plateau: the factor is (1/2)^k, so that k can be read off


def plateaus(values, metric="validation_error", **options):
    """k after each of the epochs that ended with these values of the metric."""
    schedule = read({"type": "plateau", "factor": 0.5, "metric": metric} | options)
    rows = [{"epoch": place, metric: value} for place, value in enumerate(values, 1)]
    return [round(-math.log2(schedule.factor(clock(0, rows[:ended])))) for ended in range(1, len(rows) + 1)]


@pytest.mark.parametrize(
    ("values", "options", "expected"),
    [
        ([5, 4, 3, 2, 1], {"patience": 1}, [0, 0, 0, 0, 0]),
        ([5, 5, 5, 5, 5], {"patience": 2}, [0, 0, 1, 1, 2]),
        ([5, 6, 4, 6, 6, 6], {"patience": 2}, [0, 0, 0, 0, 1, 1]),
        ([5, 4, 5, 4, 3.9], {"patience": 3}, [0, 0, 0, 0, 0]),  # equal is no improvement, but two are not three
        ([5, 4, 5, 4, 4], {"patience": 3}, [0, 0, 0, 0, 1]),
        ([5, 4.5, 4, 3.4], {"patience": 1, "minimum_change": 0.5}, [0, 1, 1, 1]),  # 4 and 3.4 are against 5, then 4
        ([5, 4.75, 4.5, 4.25], {"patience": 1, "minimum_change": 0.5}, [0, 1, 2, 2]),
        ([5, 5, 5, 5, 5, 5, 5], {"patience": 1, "cooldown": 2}, [0, 1, 1, 1, 2, 2, 2]),
        ([5, 5, 4, 4.5, 4.5], {"patience": 1, "cooldown": 1}, [0, 1, 1, 2, 2]),  # the best counts while cooling down
        ([math.nan, 5, math.nan], {"patience": 1}, [1, 1, 2]),  # NaN is no improvement
    ],
)
def test_plateau_on_histories_made_by_hand(values, options, expected):
    assert plateaus(values, **options) == expected


def test_plateau_begins_with_the_base_value():
    assert read("plateau").factor(clock(0)) == 1.0


def test_plateau_falls_no_lower_than_its_bound():
    schedule = read({"type": "plateau", "patience": 1, "factor": 0.5, "lower_bound": 0.2})
    rows = [{"validation_error": 1.0}] * 6
    assert [schedule.factor(clock(0, rows[:n])) for n in range(6)] == [1.0, 1.0, 0.5, 0.25, 0.2, 0.2]


def test_plateau_reads_its_own_metric():
    rows = [{"validation_error": 1.0, "train_loss": 9.0 - epoch} for epoch in range(5)]
    assert read({"type": "plateau", "patience": 1}).factor(clock(0, rows)) < 1.0
    assert read({"type": "plateau", "patience": 1, "metric": "train_loss"}).factor(clock(0, rows)) == 1.0


@pytest.mark.parametrize("row", [{"train_loss": 1.0}, {"train_loss": 1.0, "validation_error": None}])
def test_plateau_says_which_metric_a_run_lacks(row):
    with pytest.raises(UsageError, match=r"found no validation_error.*expected one that this stage has"):
        read("plateau").factor(clock(STEPS_PER_EPOCH, [row]))


class Running:
    """Plateau as it is mostly written: a state that each epoch changes."""

    def __init__(self, patience, minimum_change, cooldown):
        self.patience, self.minimum_change, self.cooldown = patience, minimum_change, cooldown
        self.best, self.bad, self.left, self.cuts = math.inf, 0, 0, 0

    def epoch(self, value):
        better = value < self.best - self.minimum_change
        self.best = value if better else self.best
        self.bad = 0 if better else self.bad + 1
        if self.left > 0:
            self.left, self.bad = self.left - 1, 0
        if self.bad == self.patience:
            self.cuts, self.left, self.bad = self.cuts + 1, self.cooldown, 0
        return self.cuts


@given(
    st.lists(st.integers(0, 6), max_size=30),
    st.integers(1, 4),
    st.integers(0, 2),
    st.integers(0, 3),
)
def test_plateau_of_a_history_is_that_of_a_running_state(values, patience, minimum_change, cooldown):
    running = Running(patience, float(minimum_change), cooldown)
    expected = [running.epoch(value) for value in values]
    found = plateaus(values, patience=patience, minimum_change=float(minimum_change), cooldown=cooldown)
    assert found == expected
    assert all(before <= after for before, after in pairwise(found))
