"""The network: buffers, passes, sinks and initial values."""

import tracemalloc

import numpy as np
import pytest

from dlcli.graph import Graph
from dlcli.kernels.sink import STORE, UPDATE
from dlcli.layers.base import Sink
from dlcli.network import Network
from tests.layers.case import spread
from tests.layers.harness import layer_of

CONVNET = [
    {"type": "conv2d", "filters": 4, "kernel_size": 3, "activation": "relu", "name": "features"},
    {"type": "max_pool2d", "size": 2},
    {"type": "dropout", "rate": 0.25},
    {"type": "dense", "units": 6, "activation": "tanh"},
    {"type": "sparsity", "l1": 0.1},
    {"type": "dense", "units": 3, "name": "output"},
]
SHAPE = (7, 6, 2)
AUTOENCODER = [
    {"type": "dense", "units": 3, "name": "code", "activation": "sigmoid"},
    {"type": "dense_transposed", "tied_to": "code", "units": 5, "name": "mirror"},
]


def network(layers=CONVNET, shape=SHAPE, *, dtype=np.float32, seed=3) -> Network:
    result = Network(Graph.build(map(layer_of, layers), shape), dtype=dtype, seed=seed)
    result.initialise()
    return result


def stored(net: Network, *names: str) -> dict[str, Sink]:
    """Sinks that store the gradients, poisoned at first, of the parameters named, or of all."""
    arrays = {name: np.full_like(net.parameters[name], np.nan) for name in names or net.parameters}
    return {name: Sink(STORE, array, array, np.zeros(3, array.dtype)) for name, array in arrays.items()}


def pass_both_ways(net: Network, x: np.ndarray, step: int = 0) -> np.ndarray:
    output = net.forward(x, training=True, step=step)
    net.output_gradient(len(x))[:] = spread(output.shape, 8)
    net.backward(len(x))
    return output


def images(samples: int, seed: int = 0) -> np.ndarray:
    return spread((samples, *SHAPE), seed).astype(np.float32)


# Initial values


def test_initial_values_are_a_function_of_seed_and_name_alone():
    whole = network()
    another = network([CONVNET[0], {"type": "flatten"}, CONVNET[5]])
    assert whole.parameters["features/weights"].tobytes() == another.parameters["features/weights"].tobytes()
    assert whole.parameters["features/weights"].tobytes() == network().parameters["features/weights"].tobytes()
    assert whole.parameters["features/weights"].tobytes() != network(seed=4).parameters["features/weights"].tobytes()
    twins = network([{"type": "dense", "units": 4}, {"type": "dense", "units": 4}], (4,))
    assert not np.array_equal(twins.parameters["dense_1/weights"], twins.parameters["dense_2/weights"])


def test_float32_starts_as_float64_rounded():
    single, double = network(), network(dtype=np.float64)
    for name, array in double.parameters.items():
        assert np.array_equal(single.parameters[name], array.astype(np.float32))


def test_initialisers_and_fans_reach_the_parameters():
    layers = [
        {"type": "conv2d", "filters": 200, "kernel_size": 5, "activation": "relu"},
        {
            "type": "dense",
            "units": 300,
            "initialiser": {"type": "normal", "deviation": 0.5},
            "bias_initialiser": {"type": "constant", "value": 0.75},
        },
    ]
    net = network(layers, (6, 6, 8))
    assert net.parameters["conv2d_1/weights"].std() == pytest.approx(np.sqrt(2 / (5 * 5 * 8)), rel=0.02)  # he
    assert net.parameters["dense_1/weights"].std() == pytest.approx(0.5, rel=0.02)
    assert (net.parameters["dense_1/bias"] == 0.75).all()
    assert (net.parameters["conv2d_1/bias"] == 0).all()


def test_only_those_named_are_drawn():
    net = Network(Graph.build(map(layer_of, CONVNET), SHAPE), seed=3)
    net.initialise(["output/weights"])
    assert np.array_equal(net.parameters["output/weights"], network().parameters["output/weights"])
    assert not net.parameters["features/weights"].any()


def test_given_parameters_are_used_and_changed():
    given = {"code/weights": np.full((5, 3), 0.5, np.float32)}
    net = Network(Graph.build(map(layer_of, AUTOENCODER), (5,)), parameters=given)
    assert net.parameters["code/weights"] is given["code/weights"]
    assert net.parameters["mirror/bias"].shape == (5,)


# Batches


def test_batches_of_any_size_and_order_give_the_same_results():
    x = images(9)
    reference = network().forward(x).copy()
    net = network()
    for samples in (2, 9, 1, 4, 9):  # smaller batches are views of larger buffers, larger ones need new buffers
        assert net.forward(x[:samples]).tobytes() == reference[:samples].tobytes()


def test_gradients_do_not_depend_on_batches_before():
    fresh, used = network(), network()
    fresh_sinks, used_sinks = stored(fresh), stored(used)
    fresh.bind(fresh_sinks, input_gradient=True)
    used.bind(used_sinks, input_gradient=True)
    for samples in (6, 2, 8):
        pass_both_ways(used, images(samples, seed=samples))
    pass_both_ways(fresh, images(5))
    pass_both_ways(used, images(5))
    for name, sink in fresh_sinks.items():
        assert np.isfinite(sink.target).all()
        assert sink.target.tobytes() == used_sinks[name].target.tobytes(), name
    assert fresh.input_gradient(5).tobytes() == used.input_gradient(5).tobytes()


def test_inputs_of_any_kind_give_the_same_results_and_stay_as_they_are():
    x = images(5)
    read_only = x.copy()
    read_only.flags.writeable = False
    kinds = {
        "read-only": read_only,
        "fortran": np.asfortranarray(x),
        "every other": np.repeat(x, 2, axis=0)[::2],
        "channels first": np.ascontiguousarray(x.transpose(0, 3, 1, 2)).transpose(0, 2, 3, 1),
        "float64": x.astype(np.float64),
    }
    net, reference = network(), network().forward(x).copy()
    sinks = stored(net)
    net.bind(sinks)
    pass_both_ways(net, x)
    gradient = sinks["features/weights"].target.copy()
    for kind, array in kinds.items():
        before = array.copy()
        assert net.forward(array).tobytes() == reference.tobytes(), kind
        pass_both_ways(net, array)
        assert sinks["features/weights"].target.tobytes() == gradient.tobytes(), kind
        assert np.array_equal(array, before)


def test_the_steady_state_allocates_nothing_that_grows_with_the_batch():
    samples = 4096
    net = network()
    velocities = {name: np.zeros_like(array) for name, array in net.parameters.items()}
    constants = np.array([0.01, 0.9, 0], np.float32)
    net.bind({name: Sink(UPDATE, net.parameters[name], v, constants) for name, v in velocities.items()})
    batches = {n: images(n) for n in (samples, samples // 2)}
    for step in range(4):
        for x in batches.values():
            pass_both_ways(net, x, step)
    smallest_buffer = samples * 3 * 4  # the output's, in bytes
    gradient = {n: spread((n, 3), 8).astype(np.float32) for n in batches}
    tracemalloc.start()
    try:
        for step in range(4, 8):
            for n, x in batches.items():
                before = tracemalloc.get_traced_memory()[0]
                tracemalloc.reset_peak()
                net.forward(x, training=True, step=step)
                net.output_gradient(n)[:] = gradient[n]
                net.backward(n)
                peak = tracemalloc.get_traced_memory()[1]
                assert peak - before < smallest_buffer
    finally:
        tracemalloc.stop()


def test_other_sinks_lay_the_memory_out_anew():
    net, fresh = network(), network()
    for names in ([], ["output/bias"], ["features/weights"], list(net.parameters)):
        sinks = stored(net, *names)
        net.bind(sinks if names else {})
        if names:
            pass_both_ways(net, images(4))
        output = net.forward(images(4)).copy()
        assert output.tobytes() == fresh.forward(images(4)).tobytes()
        first, last = net.outputs(4)["features"], net.outputs(4)["dense_1"]
        assert first.tobytes() == fresh.outputs(4)["features"].tobytes()
        assert (first.base is not None and first.base is last.base) == bool(names)  # one piece of memory, or several


# Gradients


def test_nothing_before_the_first_sink_is_passed_back(monkeypatch):
    net = network()
    reached = []

    def noted(kind):
        backward = kind.backward
        return lambda layer, arrays: (reached.append(layer.type), backward(layer, arrays))

    for kind in {type(node.layer) for node in net.graph.nodes}:
        monkeypatch.setattr(kind, "backward", noted(kind))
    net.bind(stored(net, "output/weights"))
    pass_both_ways(net, images(2))
    assert reached == ["dense"]
    reached.clear()
    net.bind(stored(net, "dense_1/bias"))
    pass_both_ways(net, images(2))
    assert reached == ["dense", "sparsity", "dense"]


@pytest.mark.parametrize("wanted", [["output/weights"], ["dense_1/bias"], ["features/weights", "output/bias"]])
def test_some_gradients_are_those_of_all(wanted):
    everything, some = network(), network()
    all_sinks, some_sinks = stored(everything), stored(some, *wanted)
    everything.bind(all_sinks, input_gradient=True)
    some.bind(some_sinks)
    pass_both_ways(everything, images(4))
    pass_both_ways(some, images(4))
    for name in wanted:
        assert some_sinks[name].target.tobytes() == all_sinks[name].target.tobytes()


def test_the_input_gradient_is_a_derivative():
    layers = [layer for layer in CONVNET if layer["type"] not in ("dropout", "sparsity")]
    net = network(layers, dtype=np.float64)
    net.bind({}, input_gradient=True)
    x = spread((2, *SHAPE), 1)
    cotangent = spread((2, 3), 8)
    pass_both_ways(net, x)
    gradient = net.input_gradient(2).copy()
    direction = spread(x.shape, 2)
    h = 1e-6
    up, down = (float(np.vdot(net.forward(x + s * h * direction), cotangent)) for s in (1, -1))
    assert float(np.vdot(gradient, direction)) == pytest.approx((up - down) / (2 * h), rel=1e-6)


def test_tied_weights_get_the_sum_of_both_gradients():
    net = network(AUTOENCODER, (5,), dtype=np.float64)
    sinks = stored(net)
    net.bind(sinks)
    x = spread((4, 5), 1)
    reconstruction = pass_both_ways(net, x)
    w, c, b = (net.parameters[name] for name in ("code/weights", "mirror/bias", "code/bias"))
    h = 1 / (1 + np.exp(-(x @ w + b)))
    assert np.allclose(reconstruction, h @ w.T + c)
    dy = spread((4, 5), 8)
    dz = (dy @ w) * h * (1 - h)
    decoder, encoder = dy.T @ h, x.T @ dz
    assert np.allclose(sinks["code/weights"].target, decoder + encoder, rtol=1e-12)
    assert np.allclose(sinks["mirror/bias"].target, dy.sum(axis=0), rtol=1e-12)
    assert np.allclose(sinks["code/bias"].target, dz.sum(axis=0), rtol=1e-12)
    first = sinks["code/weights"].target.copy()
    pass_both_ways(net, x)  # stored anew, not added to the step before
    assert sinks["code/weights"].target.tobytes() == first.tobytes()


def test_a_fused_update_passes_back_through_the_weights_before_it():
    stored_net, fused_net = network(dtype=np.float64), network(dtype=np.float64)
    sinks = stored(stored_net)
    stored_net.bind(sinks)
    constants = np.array([0.5, 0.0, 0.0])
    fused_net.bind({name: Sink(UPDATE, w, np.zeros_like(w), constants) for name, w in fused_net.parameters.items()})
    x = images(3).astype(np.float64)
    pass_both_ways(stored_net, x)
    pass_both_ways(fused_net, x)
    for name, sink in sinks.items():
        expected = stored_net.parameters[name] - 0.5 * sink.target
        assert np.allclose(fused_net.parameters[name], expected, rtol=1e-13, atol=1e-15), name


def test_a_shared_parameter_is_updated_when_its_last_part_has_come():
    graph = Graph.build(map(layer_of, AUTOENCODER), (5,))
    stored_net, fused_net = (Network(graph, seed=3, dtype=np.float64) for _ in range(2))
    for net in (stored_net, fused_net):
        net.initialise()
    sinks, constants = stored(stored_net), np.array([0.5, 0.9, 0.1])
    stored_net.bind(sinks)
    velocities = {name: np.full_like(w, 0.25) for name, w in fused_net.parameters.items()}
    fused_net.bind({name: Sink(UPDATE, w, velocities[name], constants) for name, w in fused_net.parameters.items()})
    x = spread((4, 5), 1)
    pass_both_ways(stored_net, x)
    pass_both_ways(fused_net, x)
    for name, sink in sinks.items():
        w = stored_net.parameters[name]
        change = 0.9 * 0.25 - 0.5 * (sink.target + 0.1 * w)
        assert np.allclose(velocities[name], change, rtol=1e-13, atol=1e-15), name
        assert np.allclose(fused_net.parameters[name], w + change, rtol=1e-13, atol=1e-15), name


# What else it says


def test_outputs_and_penalties_are_those_of_the_last_batch():
    net = network()
    x = images(4)
    output = net.forward(x)
    outputs = net.outputs(4)
    assert list(outputs) == ["features", "max_pool2d_1", "dropout_1", "dense_1", "sparsity_1", "output"]
    assert outputs["output"].tobytes() == output.tobytes()
    assert net.penalty(4) == pytest.approx(0.1 * np.abs(outputs["dense_1"]).sum() / 4, rel=1e-5)


def test_random_layers_are_functions_of_seed_step_and_training():
    x = images(6)
    net = network()
    one, again, other = (net.forward(x, training=True, step=step).copy() for step in (1, 1, 2))
    assert one.tobytes() == again.tobytes()
    assert one.tobytes() != other.tobytes()
    reseeded = Network(net.graph, seed=net.seed + 1, parameters=net.parameters)
    assert reseeded.forward(x, training=True, step=1).tobytes() != one.tobytes()
    assert net.forward(x).tobytes() == reseeded.forward(x).tobytes()


# Stand-ins for layers


def test_a_layers_stand_in_makes_its_passes():
    """Every one, in the network's order and back; whatever else it is asked, the layer answers; no bit changes."""
    x, calls = images(3), []

    class Noted:
        def __init__(self, node):
            self.node = node

        def forward(self, *arguments):
            calls.append(f"{self.node.name} forward")
            self.node.layer.forward(*arguments)

        def backward(self, arrays):
            calls.append(f"{self.node.name} backward")
            self.node.layer.backward(arrays)

        def __getattr__(self, name):
            return getattr(self.node.layer, name)

    plain, wrapped = network(), network()
    results = []
    for net in (plain, wrapped):
        sinks = stored(net)
        net.bind(sinks)
        if net is wrapped:
            pass_both_ways(net, x)  # the buffers are there already
            net.wrap_layers(Noted)
        output = pass_both_ways(net, x)
        results.append([output.tobytes(), net.penalty(3), *(sink.target.tobytes() for sink in sinks.values())])
    assert results[0] == results[1]
    names = [node.name for node in plain.graph.nodes]
    assert calls == [f"{name} forward" for name in names] + [f"{name} backward" for name in reversed(names)]


# Views


def test_views_share_memory_and_change_nothing():
    views = [{"type": "flatten"}, {"type": "sparsity"}]
    plain, viewed = network([CONVNET[0], CONVNET[3], CONVNET[5]]), network([CONVNET[0], *views, CONVNET[3], CONVNET[5]])
    names = list(plain.parameters)
    assert list(viewed.parameters) == names
    found = []
    for net in (plain, viewed):
        sinks = stored(net)
        net.bind(sinks, input_gradient=True)
        output = pass_both_ways(net, images(5)).copy()
        found.append([output, net.input_gradient(5), *(sinks[name].target for name in names)])
    assert all(one.tobytes() == other.tobytes() for one, other in zip(*found, strict=True))
    outputs = viewed.outputs(5)
    assert np.shares_memory(outputs["features"], outputs["flatten_1"])
    assert np.shares_memory(outputs["features"], outputs["sparsity_1"])


# What kernels cannot see


def test_samples_of_another_shape_are_refused():
    with pytest.raises(ValueError, match="found samples of shape"):
        network().forward(images(3)[:, :1])


def test_parameters_that_are_not_as_kernels_take_them_are_refused():
    good = network().parameters
    name = next(iter(good))
    for bad in (good[name].astype(np.float64), np.asfortranarray(good[name]), good[name][..., :1]):
        with pytest.raises(ValueError, match="must be contiguous"):
            Network(network().graph, parameters=good | {name: bad})
