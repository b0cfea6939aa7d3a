"""Every initialiser: its moments against theory, its bounds, and the same numbers for the same generator."""

import math

import numpy as np
import pytest
from pydantic import ValidationError

from dlcli.initialisers.base import Initialiser
from dlcli.initialisers.sparse import Sparse
from dlcli.options import Options

SHAPE = (300, 200)
FAN_IN, FAN_OUT = 300, 200
SIGMAS = 5  # how far a sample's moment may be from the distribution's, in standard errors

# (options, mean, standard deviation, shape of the distribution)
MOMENTS = [
    ({"type": "normal"}, 0.0, 0.01, "normal"),
    ({"type": "gaussian", "mean": 3.0, "deviation": 0.5}, 3.0, 0.5, "normal"),
    ({"type": "uniform"}, 0.0, 0.1 / math.sqrt(12), "uniform"),
    ({"type": "uniform", "low": 1.0, "high": 4.0}, 2.5, 3.0 / math.sqrt(12), "uniform"),
    ({"type": "glorot"}, 0.0, math.sqrt(2 / 500), "uniform"),
    ({"type": "glorot", "distribution": "normal", "gain": 4.0}, 0.0, 4 * math.sqrt(2 / 500), "normal"),
    ({"type": "he"}, 0.0, math.sqrt(2 / 300), "normal"),
    ({"type": "msra", "distribution": "uniform", "gain": 0.5}, 0.0, 0.5 * math.sqrt(2 / 300), "uniform"),
    ({"type": "lecun"}, 0.0, math.sqrt(1 / 300), "uniform"),
    ({"type": "lecun", "distribution": "normal", "gain": 2.0}, 0.0, 2 * math.sqrt(1 / 300), "normal"),
    ({"type": "constant", "value": -0.5}, -0.5, 0.0, "constant"),
    ({"type": "zeros"}, 0.0, 0.0, "constant"),
    ({"type": "sparse"}, 0.0, math.sqrt(15 / 300), "sparse"),
    ({"type": "sparse", "connections": 40, "distribution": "uniform", "deviation": 0.3}, 0.0, 0.3 * math.sqrt(40 / 300),
     "sparse"),
]  # fmt: skip

BROKEN = [
    ({"type": "normal", "deviation": 0.0}, "deviation"),
    ({"type": "normal", "deviation": 1e9}, "deviation"),
    ({"type": "normal", "mean": -1e9}, "mean"),
    ({"type": "normal", "mean": float("nan")}, "mean"),
    ({"type": "uniform", "low": -1e9}, "low"),
    ({"type": "uniform", "high": 1e9}, "high"),
    ({"type": "uniform", "low": 0.1, "high": 0.1}, "found low 0.1 and high 0.1, expected low to be below high"),
    ({"type": "glorot", "gain": 0.0}, "gain"),
    ({"type": "glorot", "distribution": "triangular"}, "distribution"),
    ({"type": "he", "gain": -1.0}, "gain"),
    ({"type": "lecun", "gain": 1e9}, "gain"),
    ({"type": "constant"}, "value"),
    ({"type": "constant", "value": 1e9}, "value"),
    ({"type": "zeros", "value": 0.0}, "value"),
    ({"type": "sparse", "connections": 0}, "connections"),
    ({"type": "sparse", "connections": 1.5}, "connections"),
    ({"type": "sparse", "deviation": 0.0}, "deviation"),
    ({"type": "xavier"}, "xavier"),  # two conventions go by this name
]


class Written(Options):
    initialiser: Initialiser
    """As a config holds it."""


def read(options) -> Initialiser:
    return Written.model_validate({"initialiser": options}).initialiser


def filled(options, shape=SHAPE, dtype=np.float64, seed=1):
    array = np.full(shape, np.nan, dtype)
    read(options).fill(array, math.prod(shape[:-1]), shape[-1], np.random.default_rng(seed))
    return array


every_case = pytest.mark.parametrize("options", [case[0] for case in MOMENTS], ids=str)


def test_every_initialiser_has_a_case():
    assert {read(options).type for options, *_ in MOMENTS} == set(Initialiser.members())


def test_every_option_is_described():
    for member in Initialiser.members().values():
        assert member.__doc__
        assert all(field.description for name, field in member.model_fields.items() if name != "type"), member


@every_case
def test_writing_and_reading_changes_nothing(options):
    assert read(read(options).model_dump(mode="json")) == read(options)


@pytest.mark.parametrize(("options", "mean", "deviation", "shape"), MOMENTS, ids=str)
def test_moments_are_those_of_theory(options, mean, deviation, shape):
    values = filled(options)
    error = SIGMAS / math.sqrt(values.size)
    fourth = np.mean((values - mean) ** 4)  # of the sample, for the standard error of its variance
    assert values.mean() == pytest.approx(mean, abs=error * deviation)
    assert np.mean((values - mean) ** 2) == pytest.approx(
        deviation**2, abs=error * math.sqrt(max(fourth - deviation**4, 0))
    )


@pytest.mark.parametrize(("options", "mean", "deviation", "shape"), MOMENTS, ids=str)
def test_the_distribution_has_its_shape(options, mean, deviation, shape):
    farthest = np.abs(filled(options) - mean).max()
    bound = math.sqrt(3) * deviation
    if shape == "uniform":
        assert 0.999 * bound < farthest <= bound
    elif shape == "normal":
        assert 3.5 * deviation < farthest < 6 * deviation
    elif shape == "constant":
        assert farthest == 0


def test_a_fan_is_that_of_the_unit_and_not_of_the_array():
    narrow, wide = np.empty((9, 9)), np.empty((9, 9))
    for options in ("glorot", "he", "lecun"):
        read(options).fill(narrow, 4, 4, np.random.default_rng(1))
        read(options).fill(wide, 16, 16, np.random.default_rng(1))
        np.testing.assert_allclose(narrow, 2 * wide, rtol=1e-12)


@every_case
def test_float32_is_the_rounded_float64(options):
    single = filled(options, dtype=np.float32)
    assert single.dtype == np.float32
    np.testing.assert_array_equal(single, filled(options).astype(np.float32))


@every_case
def test_one_generator_gives_one_array(options):
    again, other = filled(options), filled(options, seed=2)
    np.testing.assert_array_equal(filled(options), again)
    assert np.array_equal(again, other) == (options["type"] in ("constant", "zeros"))


@every_case
def test_a_strided_array_is_filled_like_a_contiguous_one(options):
    behind = np.full((2 * SHAPE[0], 2, SHAPE[1]), 7.0)
    read(options).fill(behind[::2, 0], FAN_IN, FAN_OUT, np.random.default_rng(1))
    np.testing.assert_array_equal(behind[::2, 0], filled(options))
    assert (behind[1::2] == 7).all()


@pytest.mark.parametrize(("shape", "connections", "expected"), [
    ((300, 200), 15, 15),
    ((5, 5, 4, 32), 15, 15),
    ((3, 3, 1, 8), 15, 9),  # a unit with fewer inputs has all of them
    ((784, 10), 1, 1),
    ((6,), 15, 1),
])  # fmt: skip
def test_sparse_connects_each_unit_so_often(shape, connections, expected):
    weights = filled({"type": "sparse", "connections": connections}, shape).reshape(-1, shape[-1])
    assert (np.count_nonzero(weights, axis=0) == expected).all()


def test_sparse_places_differ_from_unit_to_unit_and_reach_every_input():
    weights = filled({"type": "sparse"}) != 0
    assert len({column.tobytes() for column in weights.T}) == SHAPE[1]
    counts = weights.sum(axis=1)  # binomial: 200 units, each with 15 of 300 inputs
    assert counts.min() >= 1
    assert counts.max() < 10 + SIGMAS * math.sqrt(200 * 0.05 * 0.95)


@pytest.mark.parametrize(("distribution", "least", "most"), [("uniform", 0.0, math.sqrt(3)), ("normal", 3.0, 6.0)])
def test_sparse_weights_have_the_deviation_and_shape_asked_for(distribution, least, most):
    weights = filled({"type": "sparse", "distribution": distribution, "deviation": 0.1})
    drawn = weights[weights != 0]
    assert drawn.std() == pytest.approx(0.1, rel=0.06)
    assert 0.1 * least < np.abs(drawn).max() <= 0.1 * most


def test_martens_numbers_are_the_defaults():
    assert Sparse() == Sparse(connections=15, distribution="normal", deviation=1.0)


@pytest.mark.parametrize(("options", "named"), BROKEN, ids=str)
def test_a_broken_bound_is_refused(options, named):
    with pytest.raises(ValidationError, match=named):
        read(options)
