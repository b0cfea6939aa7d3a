"""Batch normalisation beside the common layer test: running statistics, frozen layers, single values, many blocks."""

import math

import numba
import numpy as np
import pytest

from dlcli.kernels import channels
from tests.layers.batch_norm_case import batch_norm, moments
from tests.layers.case import Array, Variant, spread
from tests.layers.harness import Driven, driven


def layer_on(shape: tuple[int, ...], dtype: type = np.float64, **options: object) -> Driven:
    return driven(Variant(batch_norm(**options), shape), dtype)


def test_running_statistics_start_at_zero_and_one():
    layer = layer_on((2, 5))
    specs = layer.layer.state(layer.shapes)
    assert {name: (spec.shape, spec.initial) for name, spec in specs.items()} == {
        "running_mean": ((5,), 0.0),
        "running_variance": ((5,), 1.0),
    }


@pytest.mark.parametrize(("samples", "shape", "momentum"), [(3, (2, 4), 0.9), (5, (3,), 0.25), (4, (2, 3, 2), 0.0)])
def test_running_statistics_are_the_naive_ones(samples: int, shape: tuple[int, ...], momentum: float):
    layer = layer_on(shape, momentum=momentum)
    mean, variance = (layer.state[name].copy() for name in ("running_mean", "running_variance"))
    for step in range(3):
        x = spread((samples, *shape), step, -2, 3 + step)
        layer.forward(x, training=True)
        layer.forward(x)  # evaluation changes nothing
        for c in range(shape[-1]):
            values = x[..., c].reshape(-1).tolist()
            center, biased = moments(values)
            unbiased = biased * len(values) / (len(values) - 1)
            mean[c] = momentum * mean[c] + (1 - momentum) * center
            variance[c] = momentum * variance[c] + (1 - momentum) * unbiased
    assert layer.state["running_mean"] == pytest.approx(mean, rel=1e-12)
    assert layer.state["running_variance"] == pytest.approx(variance, rel=1e-12)


@pytest.mark.parametrize("activation", ["linear", "relu"])
def test_a_frozen_layer_passes_gradients_by_the_running_statistics(activation: str):
    layer = layer_on((2, 3), activation=activation)
    layer.forward(spread((4, 2, 3), 0), training=True)
    state = {name: array.copy() for name, array in layer.state.items()}
    output = layer.forward(spread((4, 2, 3), 1))
    cotangent = spread(output.shape, 2)
    dx, _ = layer.backward(cotangent, parameter_gradients=False)
    for place in np.ndindex(output.shape):
        factor = layer.parameters["weights"][place[-1]] / math.sqrt(state["running_variance"][place[-1]] + 1e-5)
        passes = activation == "linear" or output[place] > 0
        assert dx[place] == pytest.approx(cotangent[place] * factor if passes else 0.0, rel=1e-12)
    assert all((layer.state[name] == state[name]).all() for name in state)


def test_one_value_per_channel_is_the_shift():
    layer = layer_on((3,), np.float32, momentum=0.5)
    before = layer.state["running_variance"].copy()
    output = layer.forward(np.array([[1e4, -3.3, 0.0]], np.float32), training=True)
    assert (output[0] == layer.parameters["bias"]).all()
    dx, gradients = layer.backward(np.array([[1.0, 2.0, -3.0]]))
    assert (dx == 0).all()
    assert (gradients["weights"] == 0).all()
    assert gradients["bias"].tolist() == [1.0, 2.0, -3.0]
    assert layer.state["running_variance"] == pytest.approx(before / 2)


def test_a_large_mean_costs_no_digits():
    x = (1000 + spread((8, 30, 30, 3), 0)).astype(np.float32)  # several blocks
    output = layer_on((30, 30, 3), np.float32, scale=False, shift=False).forward(x, training=True)
    exact = x.astype(np.float64)
    exact = (exact - exact.mean((0, 1, 2))) / np.sqrt(exact.var((0, 1, 2)) + 1e-5)
    assert np.abs(output - exact).max() < 1e-4  # a rounded mean of 1000 is off by up to 3e-5, deviations are 0.6


def passes(x: Array, shape: tuple[int, ...]) -> list[Array]:
    """All that a training pass makes, of x with values beyond a block."""
    layer = layer_on(shape, x.dtype.type)
    output = layer.forward(x, training=True)
    dx, gradients = layer.backward(spread(output.shape, 3))
    assert dx is not None
    return [output, dx, gradients["weights"], gradients["bias"], *layer.state.values()]


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="Python's loops are too slow for it")
@pytest.mark.parametrize("shape", [(40, 40, 3), (9, 9, 70), (600,), (1030,)])
def test_many_blocks_have_the_same_bits_on_any_number_of_threads_and_the_exact_values(shape, monkeypatch):
    monkeypatch.setattr(channels, "SERIAL", 0)
    samples = 150 if len(shape) == 1 else 25  # several blocks, the last one not whole
    x = spread((samples, *shape), 0, -1, 3).astype(np.float32)
    results, before = [], numba.get_num_threads()
    try:
        for threads in (1, 2, 3):
            numba.set_num_threads(threads)
            results.append(passes(x, shape))
    finally:
        numba.set_num_threads(before)
    for other in results[1:]:
        assert all(one.tobytes() == same.tobytes() for one, same in zip(results[0], other, strict=True))
    for found, exact in zip(results[0], reference(x, shape), strict=True):
        assert np.abs(found - exact).max() <= 1e-5 * np.abs(exact).max()


def reference(x: Array, shape: tuple[int, ...]) -> list[Array]:
    """What `passes` makes, in float64 by the paper's chain rule, term by term."""
    layer = layer_on(shape, np.float32)
    weights, bias = (layer.parameters[name].astype(np.float64) for name in ("weights", "bias"))
    x, d = (a.astype(np.float64).reshape(-1, shape[-1]) for a in (x, spread(x.shape, 3).astype(np.float32)))
    count, mean, variance = len(x), x.mean(0), x.var(0)
    deviation = np.sqrt(variance + 1e-5)
    hat = (x - mean) / deviation
    d_hat = d * weights
    d_variance = (d_hat * (x - mean)).sum(0) * -0.5 / deviation**3
    d_mean = -d_hat.sum(0) / deviation
    dx = d_hat / deviation + d_variance * 2 * (x - mean) / count + d_mean / count
    running = [0.9 * layer.state["running_mean"] + 0.1 * mean]
    running.append(0.9 * layer.state["running_variance"] + 0.1 * variance * count / (count - 1))
    whole = (-1, *shape)
    return [(weights * hat + bias).reshape(whole), dx.reshape(whole), (d * hat).sum(0), d.sum(0), *running]
