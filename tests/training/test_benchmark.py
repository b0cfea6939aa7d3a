"""Steps and layers are timed as they are trained, and their operations counted as the closed forms say."""

import resource
import subprocess
import sys

import numpy as np
import pytest

from dlcli.data.pipeline import BatchSource
from dlcli.errors import Diverged
from dlcli.graph import Graph
from dlcli.layers.conv2d import Conv2d
from dlcli.layers.dense import Dense
from dlcli.layers.dropout import Dropout
from dlcli.layers.max_pool2d import MaxPool2d
from dlcli.losses.softmax_cross_entropy import SoftmaxCrossEntropy
from dlcli.network import Network
from dlcli.optim.adam import Adam
from dlcli.optim.lbfgs import Lbfgs
from dlcli.optim.nesterov import Nesterov
from dlcli.optim.sgd import Sgd
from dlcli.training.backpropagation import Backpropagation
from dlcli.training.benchmark import Cost, LayerCost, at_rest, benchmark, peak_memory

N = 6


def objective(layers, shape, **sgd) -> Backpropagation:
    network = Network(Graph.build(layers, shape), seed=1)
    network.initialise()
    return Backpropagation(network, SoftmaxCrossEntropy(), at_rest(Sgd(learning_rate=0.1, **sgd)))


@pytest.mark.parametrize("optimiser", [Adam(learning_rate=0.1), Nesterov(learning_rate=0.1), Lbfgs()])
def test_steps_of_any_optimiser_are_timed_and_change_nothing(optimiser):
    network = Network(Graph.build([Dense(units=9), Dense(units=10)], (7,)), seed=1)
    network.initialise()
    before = {name: array.copy() for name, array in network.parameters.items()}
    found = benchmark(Backpropagation(network, SoftmaxCrossEntropy(), at_rest(optimiser)), source((7,)), N, 3)
    assert len(found.steps) == 3
    assert found.rest > 0
    for name, array in network.parameters.items():
        assert array.tobytes() == before[name].tobytes()


def source(shape, samples=10) -> BatchSource:
    rng = np.random.default_rng(0)
    return BatchSource(rng.random((samples, *shape), np.float32), rng.integers(0, 10, samples))


def cost(layers, shape, steps=1) -> Cost:
    return benchmark(objective(layers, shape), source(shape), N, steps)


def test_operations_of_784_500_10():
    layers = cost([Dense(units=500, activation="tanh"), Dense(units=10)], (784,)).layers
    assert layers[0].operations == 2 * N * 784 * 500 * 2  # forward, by weights
    assert layers[1].operations == 2 * N * 500 * 10 * 3  # and by input


def test_operations_of_a_convolution_count_its_padding():
    first = Conv2d(filters=4, kernel_size=3, padding="same")
    second = Conv2d(filters=6, kernel_size=3, stride=2, groups=2)
    layers = cost([first, MaxPool2d(size=2), second, Dense(units=10)], (10, 10, 3)).layers
    one, two, three = 10 * 10 * 4 * 9 * 3, 2 * 2 * 6 * 9 * 2, 2 * 2 * 6 * 10
    assert [layer.operations for layer in layers] == [2 * N * one * 2, 0, 2 * N * two * 3, 2 * N * three * 3]


def test_below_the_first_layer_with_weights_nothing_is_passed_back():
    dropout, dense, _ = cost([Dropout(rate=0.5), Dense(units=20), Dense(units=10)], (7,)).layers
    assert (dropout.backward_ms, dropout.operations) == (0, 0)
    assert dropout.forward_ms > 0
    assert dense.operations == 2 * N * 7 * 20 * 2


def test_layers_stand_in_the_networks_order():
    layers = cost([Dense(units=9, name="b"), Dropout(rate=0.1), Dense(units=10, name="a")], (7,)).layers
    assert [(layer.name, layer.type) for layer in layers] == [
        ("b", "dense"),
        ("dropout_1", "dropout"),
        ("a", "dense"),
    ]


def test_the_figures_follow_from_the_times():
    layers = [LayerCost("a", "dense", 1.0, 3.0, 8_000_000), LayerCost("b", "dropout", 0.5, 0.5, 0)]
    found = Cost(batch_size=50, steps=[8.0, 5.0, 4.0], layers=layers, rest=5.0, batch=1.0)
    assert (found.median, found.minimum) == (5.0, 4.0)
    assert found.samples_per_second == pytest.approx(10_000)
    assert found.gflops == pytest.approx(8e6 / 5e-3 / 1e9)
    assert [layer.gflops for layer in layers] == [pytest.approx(8e6 / 4e-3 / 1e9), 0]
    assert [found.share(ms) for ms in (layers[0].ms, layers[1].ms, found.rest)] == [0.4, 0.1, 0.5]


def test_nothing_is_learnt():
    steps = objective([Dense(units=8, activation="relu"), Dense(units=10)], (7,), weight_decay=0.1)
    before = {name: array.copy() for name, array in steps.network.parameters.items()}
    benchmark(steps, source((7,)), N, 3)
    for name, array in steps.network.parameters.items():
        np.testing.assert_array_equal(array, before[name])


def test_as_many_steps_as_asked_on_batches_larger_than_the_data():
    found = benchmark(objective([Dense(units=10)], (7,)), source((7,), samples=4), 9, 5)
    assert (found.batch_size, len(found.steps)) == (9, 5)
    assert min(found.steps) > 0


def test_a_loss_that_is_not_finite_would_end_steps_early():
    steps = objective([Dense(units=10, name="last")], (7,))
    steps.network.parameters["last/weights"][:] = np.inf
    with pytest.raises(Diverged, match="layer last"):
        benchmark(steps, source((7,)), N, 1)


@pytest.mark.skipif(sys.platform != "linux", reason="getrusage is right elsewhere")
def test_peak_memory_is_not_that_of_the_process_that_started_this_one():
    ballast = np.ones(60_000_000, np.uint8)
    code = "from dlcli.training.benchmark import peak_memory; import os; os.write(1, b'%d' % peak_memory())"
    child = int(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
    assert 20e6 < child < peak_memory() + ballast.size
    own = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert ballast.nbytes < peak_memory() <= 1.2 * own
