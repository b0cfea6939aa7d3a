"""The strong Wolfe conditions, on functions whose good lengths are known."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlcli.optim.line_search import CURVATURE, SUFFICIENT, strong_wolfe


class Counted:
    """φ with its slope, and how often it was asked."""

    def __init__(self, value, slope):
        self.value, self.slope, self.asked = value, slope, []

    def __call__(self, t):
        self.asked.append(t)
        return self.value(t), self.slope(t)

    def search(self, first=1.0, most=30):
        return strong_wolfe(self, self.value(0.0), self.slope(0.0), first, most)

    def assert_good(self, t):
        assert t > 0
        assert self.value(t) <= self.value(0.0) + SUFFICIENT * t * self.slope(0.0)
        assert abs(self.slope(t)) <= CURVATURE * abs(self.slope(0.0))


def quartic(scale):
    return Counted(lambda t: (t / scale - 1) ** 4 + 0.1 * t / scale, lambda t: (4 * (t / scale - 1) ** 3 + 0.1) / scale)


# Moré and Thuente, "Line search algorithms with guaranteed sufficient decrease" (1994), section 5: functions 1 and 2
MORE_1 = Counted(lambda t: -t / (t * t + 2), lambda t: (t * t - 2) / (t * t + 2) ** 2)
MORE_2 = Counted(
    lambda t: (t + 0.004) ** 5 - 2 * (t + 0.004) ** 4, lambda t: 5 * (t + 0.004) ** 4 - 8 * (t + 0.004) ** 3
)


@pytest.mark.parametrize("function", [MORE_1, MORE_2, quartic(1.0), quartic(3e-3), quartic(500.0)])
@pytest.mark.parametrize("first", [1e-3, 0.1, 1.0, 10.0, 1e3])
def test_both_conditions_hold_of_what_is_found(function, first):
    function.assert_good(function.search(first))


@given(st.floats(0.01, 100), st.floats(-50, 50), st.floats(0.01, 100))
def test_they_hold_of_parabolas_with_ripples(curvature, phase, first):
    def value(t):
        return curvature * (t - 1) ** 2 + 0.05 * curvature * math.sin(5 * t + phase)

    def slope(t):
        return 2 * curvature * (t - 1) + 0.25 * curvature * math.cos(5 * t + phase)

    function = Counted(value, slope)
    function.assert_good(function.search(first))


def test_a_good_first_length_is_taken_at_once():
    function = Counted(lambda t: (t - 1) ** 2, lambda t: 2 * (t - 1))
    assert function.search(1.0) == 1.0
    assert function.asked == [1.0]


def test_a_parabola_takes_one_interpolation():
    function = Counted(lambda t: (t - 1) ** 2, lambda t: 2 * (t - 1))
    assert function.search(8.0) == pytest.approx(1.0)
    assert len(function.asked) == 2


def test_what_is_not_finite_is_too_far():
    function = Counted(lambda t: (t - 1) ** 2 if t < 1.5 else math.inf, lambda t: 2 * (t - 1) if t < 1.5 else math.nan)
    function.assert_good(function.search(1000.0))
    missing = Counted(lambda t: -t if t < 0.2 else math.nan, lambda t: -1.0)
    found = missing.search(1.0, most=10)
    assert 0 < found < 0.2  # steep to the brink: no place is flat enough, and the best so far is taken


def test_where_nothing_is_better_it_stays():
    rising = Counted(lambda t: t, lambda t: 1.0)
    assert strong_wolfe(rising, 0.0, -1.0, 1.0, 12) == 0.0  # a slope that the function does not keep
    assert len(rising.asked) == 12


def test_it_asks_no_more_often_than_it_may():
    falling = Counted(lambda t: -t, lambda t: -1.0)
    assert falling.search(1.0, most=5) > 500
    assert len(falling.asked) == 5
