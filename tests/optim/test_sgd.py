"""Eq. (4) of the survey against a naive loop, over many steps of changing ε and α."""

import numpy as np
import pytest
from pydantic import ValidationError

from dlcli.graph import Graph
from dlcli.initialisers.zeros import Zeros
from dlcli.kernels.sink import STORE, UPDATE
from dlcli.layers.base import Array, MultiplierOptions, ParameterSpec
from dlcli.network import Network
from dlcli.optim.base import Optimiser
from dlcli.optim.descent import gradient_norm
from dlcli.optim.schedules.base import Clock
from dlcli.optim.sgd import Sgd
from dlcli.options import Options
from tests.layers.case import spread
from tests.layers.harness import layer_of

SHAPES = {"hidden/weights": (4, 6), "hidden/bias": (6,), "filters/weights": (2, 3, 2, 5)}
MULTIPLIERS = {
    "hidden/weights": MultiplierOptions(),
    "hidden/bias": MultiplierOptions(learning_rate_multiplier=2.0, decay_multiplier=0.0),
    "filters/weights": MultiplierOptions(learning_rate_multiplier=0.5, decay_multiplier=3.0),
}
SPECS = {name: ParameterSpec(shape, Zeros(), 1, 1, MULTIPLIERS[name]) for name, shape in SHAPES.items()}
CHANGING = {
    "learning_rate": 0.2,
    "momentum": {"type": "multistep", "initial": 0.5, "milestones": [7, 15], "gamma": 1.3},
    "weight_decay": 0.03,
    "schedule": {"type": "inverse", "gamma": 0.1, "power": 0.75},
}


class Written(Options):
    optimiser: Optimiser


def sgd(**options) -> Sgd:
    result = Written.model_validate({"optimiser": options}).optimiser
    assert isinstance(result, Sgd)
    return result


def clock(step: int) -> Clock:
    return Clock(step=step, steps_per_epoch=10, epochs=4)


def parameters(dtype=np.float64) -> dict[str, Array]:
    return {name: spread(shape, seed).astype(dtype) for seed, (name, shape) in enumerate(SHAPES.items())}


def gradient(name: str, step: int) -> Array:
    return spread(SHAPES[name], 100 + 7 * step, -0.5, 0.7)


def naive(rates, decay: float, steps: int) -> tuple[dict[str, Array], dict[str, Array]]:
    """(w, Δw) after so many steps of Δw ← −ε g + α Δw − ε λ w; w ← w + Δw, a number at a time."""
    weights, changes = {}, {}
    for name, array in parameters().items():
        own = MULTIPLIERS[name]
        w, change = [float(v) for v in array.reshape(-1)], [0.0] * array.size
        for step in range(steps):
            g, (rate, momentum) = gradient(name, step).reshape(-1), rates(step)
            rate *= own.learning_rate_multiplier
            for i in range(len(w)):
                change[i] = -rate * g[i] + momentum * change[i] - rate * decay * own.decay_multiplier * w[i]
                w[i] += change[i]
        weights[name], changes[name] = np.reshape(w, array.shape), np.reshape(change, array.shape)
    return weights, changes


def take_steps(options: Sgd, steps: int, dtype=np.float64, stored=SHAPES):
    w = parameters(dtype)
    updater = options.updater(w, SPECS, stored=stored)
    for step in range(steps):
        updater.begin(clock(step))
        for name, array in updater.gradients.items():
            array[...] = gradient(name, step)
        updater.finish()
    return w, updater


def changing_rates(step: int) -> tuple[float, float]:
    return 0.2 * (1 + 0.1 * step) ** -0.75, 0.5 * 1.3 ** ((step >= 7) + (step >= 15))


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-13), (np.float32, 1e-5)])
def test_eq4_with_changing_rates(dtype, tolerance):
    w, updater = take_steps(sgd(**CHANGING), 25, dtype)
    weights, changes = naive(changing_rates, 0.03, 25)
    for name in SHAPES:
        assert w[name].dtype == dtype
        assert np.allclose(w[name], weights[name], rtol=tolerance, atol=tolerance), name
        assert np.allclose(updater.state[f"momentum/{name}"], changes[name], rtol=tolerance, atol=tolerance), name
    assert updater.learning_rate == pytest.approx(changing_rates(24)[0])


def test_a_new_rate_acts_on_new_gradients_only():
    """ε stands inside Δw: with ε at (nearly) zero, what was gathered goes on at its old size."""
    options = sgd(
        learning_rate=1.0, momentum=0.5, schedule={"type": "step", "every": 1, "gamma": 1e-30}, weight_decay=0.1
    )
    w, updater = take_steps(options, 1)
    first = {name: array.copy() for name, array in updater.state.items()}
    before = {name: array.copy() for name, array in w.items()}
    updater.begin(clock(1))
    for array in updater.gradients.values():
        array[...] = 1.0
    updater.finish()
    for name in SHAPES:
        assert np.allclose(w[name] - before[name], 0.5 * first[f"momentum/{name}"], rtol=1e-12)


def test_biases_decay_as_weights_do():
    w = {"bias": np.array([2.0])}
    updater = sgd(learning_rate=0.1, momentum=0.0, weight_decay=0.5).updater(
        w, {"bias": ParameterSpec((1,), Zeros(), 1, 1)}, stored={"bias"}
    )
    updater.begin(clock(0))
    updater.finish()
    assert w["bias"] == pytest.approx([2.0 - 0.1 * 0.5 * 2.0])


def test_defaults_are_the_documented_ones():
    options = sgd(learning_rate=0.1)
    assert (options.momentum, options.weight_decay, options.clip_norm) == (0.9, 0.0, None)
    assert (options.rate(clock(17)), options.factors(clock(17))) == (0.1, (0.9,))


def test_greek_and_spelt_out_names():
    same = sgd(learning_rate=0.1, momentum=0.5, weight_decay=0.01)
    assert sgd(ε=0.1, α=0.5, λ=0.01) == same
    assert sgd(epsilon=0.1, alpha=0.5, **{"lambda": 0.01}) == same


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("learning_rate", 0.0),
        ("learning_rate", -0.1),
        ("learning_rate", None),
        ("momentum", 1.0),
        ("momentum", -0.1),
        ("momentum", {"type": "constant"}),
        ("weight_decay", -1e-4),
        ("clip_norm", 0.0),
        ("schedule", "unheard_of"),
        ("schedule", {"type": "constant", "initial": 0.2}),
        ("nesterov", True),
    ],
)
def test_broken_options_are_refused(option, value):
    with pytest.raises(ValidationError) as failure:
        sgd(**{"learning_rate": 0.1, option: value})
    assert all(mistake["loc"][:3] == ("optimiser", "sgd", option) for mistake in failure.value.errors())


# Sinks


def test_state_and_sinks_have_a_checkpoints_names():
    updater = sgd(learning_rate=0.1).updater(parameters(), SPECS, stored={"hidden/bias", "elsewhere/weights"})
    assert set(updater.state) == {f"momentum/{name}" for name in SHAPES}
    assert set(updater.gradients) == {"hidden/bias"}
    kinds = {name: sink.kind for name, sink in updater.sinks.items()}
    assert kinds == {"hidden/weights": UPDATE, "hidden/bias": STORE, "filters/weights": UPDATE}
    clipped = sgd(learning_rate=0.1, clip_norm=1.0).updater(parameters(), SPECS)
    assert {sink.kind for sink in clipped.sinks.values()} == {STORE}


CONVNET = [
    {"type": "conv2d", "filters": 5, "kernel_size": 3, "activation": "relu", "name": "features"},
    {"type": "avg_pool2d", "size": 2},
    {
        "type": "dense",
        "units": 20,
        "activation": "tanh",
        "bias_options": {"learning_rate_multiplier": 2.0, "decay_multiplier": 0.0},
        "weights_options": {"decay_multiplier": 2.0},
    },
    {"type": "dense", "units": 3, "bias": False},
]
TIED = [
    {"type": "dense", "units": 3, "name": "code", "activation": "sigmoid"},
    {"type": "dense_transposed", "tied_to": "code", "units": 8},
]


def train(layers, shape, options: Sgd, *, store_all: bool, steps: int = 12, dtype=np.float32):
    """Parameters and Δw after some steps towards making ½ Σ y² small."""
    graph = Graph.build(map(layer_of, layers), shape)
    net = Network(graph, dtype=dtype, seed=2)
    net.initialise()
    updater = options.updater(net.parameters, graph.parameters, stored=graph.parameters if store_all else graph.shared)
    net.bind(updater.sinks)
    for step in range(steps):
        x = spread((5, *shape), step).astype(dtype)
        updater.begin(clock(step))
        net.output_gradient(5)[:] = net.forward(x, training=True, step=step)
        net.backward(5)
        updater.finish()
    return net.parameters | updater.state


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_fused_updates_have_the_bits_of_stored_ones(dtype):
    options = sgd(**{**CHANGING, "learning_rate": 0.05})
    fused = train(CONVNET, (8, 8, 2), options, store_all=False, dtype=dtype)
    stored = train(CONVNET, (8, 8, 2), options, store_all=True, dtype=dtype)
    for name, array in fused.items():
        assert np.isfinite(array).all()
        assert array.tobytes() == stored[name].tobytes(), name
        assert array.any()


def test_shared_parameters_are_updated_once_with_the_sum_of_their_gradients():
    options = sgd(learning_rate=0.05, momentum=0.5, weight_decay=0.1)
    found = train(TIED, (8,), options, store_all=False, dtype=np.float64)
    graph = Graph.build(map(layer_of, TIED), (8,))
    start = Network(graph, dtype=np.float64, seed=2)
    start.initialise()
    p = start.parameters
    change = {name: np.zeros_like(array) for name, array in p.items()}
    for step in range(12):
        x, w = spread((5, 8), step), p["code/weights"]
        h = 1 / (1 + np.exp(-(x @ w + p["code/bias"])))
        dy = h @ w.T + p["dense_transposed_1/bias"]
        dz = (dy @ w) * h * (1 - h)
        gradients = {
            "code/weights": dy.T @ h + x.T @ dz,
            "code/bias": dz.sum(axis=0),
            "dense_transposed_1/bias": dy.sum(axis=0),
        }
        for name, g in gradients.items():
            change[name] = -0.05 * g + 0.5 * change[name] - 0.05 * 0.1 * p[name]
            p[name] = p[name] + change[name]
    for name, array in p.items():
        assert np.allclose(found[name], array, rtol=1e-11, atol=1e-12), name
        assert np.allclose(found[f"momentum/{name}"], change[name], rtol=1e-11, atol=1e-12), name


# Clipping


def test_the_norm_is_that_of_all_gradients_together():
    gradients = {name: gradient(name, 0).astype(np.float32) for name in SHAPES}
    everything = np.concatenate([g.reshape(-1).astype(np.float64) for g in gradients.values()])
    assert gradient_norm(gradients) == pytest.approx(float(np.linalg.norm(everything)), rel=1e-14)


@pytest.mark.parametrize("share", [0.25, 0.999, 1.001, 8.0])
def test_longer_gradients_are_scaled_down_to_the_limit(share):
    """``share``: the limit as a part of the gradient's norm; above 1 nothing changes."""
    norm = gradient_norm({name: gradient(name, 0) for name in SHAPES})
    w, updater = take_steps(sgd(learning_rate=1.0, momentum=0.0, clip_norm=share * norm), 1, stored=())
    assert gradient_norm(updater.gradients) == pytest.approx(min(share, 1) * norm, rel=1e-14)
    before = parameters()
    for name in SHAPES:
        expected = before[name] - MULTIPLIERS[name].learning_rate_multiplier * min(share, 1) * gradient(name, 0)
        assert np.allclose(w[name], expected, rtol=1e-13, atol=1e-13)
        if share > 1:
            assert updater.gradients[name].tobytes() == gradient(name, 0).tobytes()


def test_clipping_hides_no_infinity():
    _, updater = take_steps(sgd(learning_rate=1.0, clip_norm=1.0), 1)
    updater.gradients["hidden/bias"][0] = np.inf
    updater.finish()
    assert not np.isfinite(updater.state["momentum/hidden/bias"]).all()
