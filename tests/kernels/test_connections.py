"""Weights of a table of connections, biases of positions, and distances from codes."""

import numpy as np
import pytest

from dlcli.kernels import activation, connections, position_bias, rbf
from dlcli.kernels.activation import CODES
from tests.kernels.naive import agree
from tests.kernels.test_products import check_sinks, random
from tests.layers.naive import activate

both_types = pytest.mark.parametrize("dtype", [np.float32, np.float64])
TABLE = [(2, 0), (1, 4), (0, 1), (2, 3), (0, 4)]  # channel and filter of each connection, of 3 channels and 5 filters


@both_types
@pytest.mark.parametrize("serial", [0, 10**9])
def test_connections_are_put_in_their_places_and_fetched_from_them(dtype, serial, monkeypatch):
    monkeypatch.setattr(connections.dense, "SERIAL", serial)
    weights, velocity, gradient = random(0, dtype, (2, 3, 5), (2, 3, 5), (2, 3, 3, 5))
    pairs, places = np.array([c * 5 + f for c, f in TABLE]), np.full(15, -1)
    expected, expanded = np.zeros((2, 3, 3, 5)), np.full((2, 3, 3, 5), np.nan, dtype)
    for place, (c, f) in enumerate(TABLE):
        expected[:, :, c, f], places[c * 5 + f] = weights[:, :, place], place
    connections.expand(weights, places, expanded)
    np.testing.assert_array_equal(expanded, expected)
    fetched = np.stack([gradient[:, :, c, f] for c, f in TABLE], axis=2)
    check_sinks(lambda *sink: connections.collect(gradient, pairs, *sink), fetched, weights, velocity)


def test_tables_that_do_not_fit_are_refused():
    weights, dense, constants = np.zeros((2, 3, 5)), np.zeros((2, 3, 3, 5)), np.zeros(3)
    places, pairs = np.full(15, -1), np.arange(5)
    for wrong in (places[:14], np.full(15, 5)):
        with pytest.raises(ValueError, match="found weights"):
            connections.expand(weights, wrong, dense)
    for wrong in (pairs[:4], pairs + 11):
        with pytest.raises(ValueError, match="found a target"):
            connections.collect(dense, wrong, 0, weights, weights, constants)


@both_types
@pytest.mark.parametrize("function", CODES)
def test_a_bias_of_each_position(dtype, function, monkeypatch):
    monkeypatch.setattr(activation, "SERIAL", 0)
    y, bias = random(1, dtype, (3, 10, 11, 13), (10, 11, 13))  # more than a piece, and no multiple of one
    expected = activate(function, y.astype(np.float64) + bias)
    position_bias.add(y, bias, CODES[function])
    agree(y, expected)
    with pytest.raises(ValueError, match="biases of shape"):
        position_bias.add(y, bias[0], CODES[function])


@both_types
@pytest.mark.parametrize("units", [1, 10, 37])
def test_distances_and_their_gradients(dtype, units):
    x, w, v, d = random(2, dtype, (7, 84), (84, units), (84, units), (7, units))
    apart = x.astype(np.float64)[:, :, None] - w
    y, dx = np.full_like(d, np.nan), np.full_like(x, np.nan)
    rbf.forward(x, w, 0.3, y)
    agree(y, -0.3 * (apart**2).sum(1))
    rbf.input_gradient(x, w, 0.3, d, dx)
    agree(dx, -0.6 * (apart * d[:, None]).sum(2))
    check_sinks(lambda *sink: rbf.weight_gradient(x, w, 0.3, d, *sink), 0.6 * (apart * d[:, None]).sum(0), w, v)
    with pytest.raises(ValueError, match="found codes"):
        rbf.forward(x, w[1:], 0.3, y)
