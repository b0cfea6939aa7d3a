"""What layers are folded back to, and where they cannot be."""

import numpy as np
import pytest

from dlcli.graph import Graph
from dlcli.kernels.sink import STORE
from dlcli.layers.base import ShapeError, Sink
from dlcli.layers.conv2d import Conv2d
from dlcli.network import Network
from tests.layers.harness import layer_of

CONVOLUTIONS = [
    ({"filters": 3, "kernel_size": 3}, (5, 6, 2)),
    ({"filters": 2, "kernel_size": 3, "padding": "same"}, (5, 4, 2)),
    ({"filters": 2, "kernel_size": 4, "padding": "same"}, (5, 4, 1)),  # an odd border, with stride 1
    ({"filters": 2, "kernel_size": 3, "padding": "same", "stride": 2}, (6, 4, 2)),
    ({"filters": 2, "kernel_size": 3, "padding": "same", "stride": 2}, (7, 5, 2)),  # equal borders
    ({"filters": 2, "kernel_size": [3, 2], "padding": [1, 0], "stride": [2, 3]}, (8, 9, 1)),  # cells that none sees
    ({"filters": 4, "kernel_size": 5, "padding": 2, "stride": 4}, (9, 11, 1)),
    ({"filters": 4, "kernel_size": 1}, (3, 3, 2)),
]


def convolution(options) -> Conv2d:
    return layer_of({"type": "conv2d", "name": "conv", **options})


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize(("options", "shape"), CONVOLUTIONS)
def test_a_convolution_is_folded_back_to_images_as_large_as_its_inputs(options, shape, tied):
    conv = convolution(options)
    mirror = conv.reconstructor([shape], name="conv", activation="sigmoid", tied=tied)
    assert mirror.output_shape([conv.output_shape([shape])]) == shape
    graph = Graph.build([conv, mirror.model_copy(update={"name": "mirror"})], shape)
    assert ("mirror/weights" in graph.parameters) == (not tied)
    assert "mirror/bias" in graph.parameters
    assert graph.nodes[1].source("weights") == ("conv/weights" if tied else "mirror/weights")


@pytest.mark.parametrize(("options", "shape"), CONVOLUTIONS)
def test_the_mirror_is_the_convolution_transposed(options, shape):
    """⟨y, C x⟩ = ⟨Cᵀ y, x⟩ for any x and y: the same weights, at the same places."""
    conv = convolution(options)
    mirror = conv.reconstructor([shape], name="conv", activation="linear", tied=True)
    network = Network(Graph.build([conv, mirror.model_copy(update={"name": "mirror"})], shape), dtype=np.float64)
    random = np.random.default_rng(1)
    network.parameters["conv/weights"][...] = random.normal(size=network.parameters["conv/weights"].shape)
    x = random.normal(size=(2, *shape))
    back = network.forward(x)
    there = network.outputs(2)["conv"]
    assert np.vdot(there, there) == pytest.approx(np.vdot(back, x), rel=1e-12)


def test_tied_gradients_are_summed():
    """Against five-point differences, of both uses of the weights together."""
    conv = convolution({"filters": 2, "kernel_size": 3, "activation": "tanh"})
    mirror = conv.reconstructor([(4, 5, 1)], name="conv", activation="sigmoid", tied=True)
    network = Network(Graph.build([conv, mirror.model_copy(update={"name": "mirror"})], (4, 5, 1)), dtype=np.float64)
    random = np.random.default_rng(2)
    weights = network.parameters["conv/weights"]
    weights[...] = random.normal(size=weights.shape)
    x, cotangent = random.normal(size=(2, 4, 5, 1)), random.normal(size=(2, 4, 5, 1))
    gradient = np.full_like(weights, np.nan)
    network.bind({"conv/weights": Sink(STORE, gradient, gradient, np.zeros(3))})
    network.forward(x, training=True)
    network.output_gradient(2)[...] = cotangent
    network.backward(2)
    for place in np.ndindex(weights.shape):
        before, values = weights[place], []
        for offset in (-2, -1, 1, 2):
            weights[place] = before + offset * 1e-3
            values.append(float(np.vdot(network.forward(x, training=True), cotangent)))
        weights[place] = before
        slope = (values[0] - 8 * values[1] + 8 * values[2] - values[3]) / 12e-3
        assert gradient[place] == pytest.approx(slope, rel=1e-8, abs=1e-8)


@pytest.mark.parametrize(
    ("options", "shape", "message"),
    [
        ({"filters": 2, "kernel_size": 2, "dilation": 2}, (5, 5, 1), "without dilation, groups or a table"),
        ({"filters": 2, "kernel_size": 2, "groups": 2}, (5, 5, 2), "without dilation, groups or a table"),
        ({"filters": 2, "kernel_size": 2, "connections": [[0], [1]]}, (5, 5, 2), "without dilation, groups or a table"),
        ({"filters": 2, "kernel_size": 3, "padding": "same", "stride": 3}, (8, 8, 1), r"8 × 8 get unequal borders"),
    ],
)
def test_convolutions_that_cannot_be(options, shape, message):
    with pytest.raises(ShapeError, match=message):
        convolution(options).reconstructor([shape], name="conv", activation="linear", tied=True)


@pytest.mark.parametrize("layer", ["flatten", {"type": "max_pool2d", "size": 2}, {"type": "dropout", "rate": 0.1}])
def test_layers_without_a_mirror(layer):
    with pytest.raises(ShapeError, match="expected a dense or convolution layer"):
        layer_of(layer).reconstructor([(4, 4, 1)], name="it", activation="linear", tied=True)
