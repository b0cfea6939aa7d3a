"""Names, shapes, parameters and ties of a graph, before anything is allocated."""

import re

import pytest

from dlcli.errors import MisfitError
from dlcli.expansion import names
from dlcli.graph import Graph
from tests.layers.harness import layer_of


def build(*layers: dict, shape: tuple[int, ...]) -> Graph:
    return Graph.build(map(layer_of, layers), shape)


def dense(units: int, **options) -> dict:
    return {"type": "dense", "units": units, **options}


def conv2d(filters: int, kernel_size: int, **options) -> dict:
    return {"type": "conv2d", "filters": filters, "kernel_size": kernel_size, **options}


def max_pool2d(size: int, stride: int, **options) -> dict:
    return {"type": "max_pool2d", "size": size, "stride": stride, **options}


def avg_pool2d(size: int, stride: int, **options) -> dict:
    return {"type": "avg_pool2d", "size": size, "stride": stride, **options}


def test_a_layer_without_a_name_is_called_by_type_and_position():
    layers = [dense(3), conv2d(2, 1), dense(4, name="hidden"), dense(5), conv2d(3, 1)]
    assert names([layer_of(layer) for layer in layers]) == ["dense_1", "conv2d_1", "hidden", "dense_3", "conv2d_2"]


def test_shapes_and_parameters_follow_the_chain():
    graph = build(conv2d(4, 3), max_pool2d(2, 2), dense(5, name="output"), shape=(8, 6, 2))
    assert [node.inputs for node in graph.nodes] == [((8, 6, 2),), ((6, 4, 4),), ((3, 2, 4),)]
    assert graph.output_shape == (5,)
    shapes = {name: spec.shape for name, spec in graph.parameters.items()}
    assert shapes == {
        "conv2d_1/weights": (3, 3, 2, 4),
        "conv2d_1/bias": (4,),
        "output/weights": (24, 5),
        "output/bias": (5,),
    }
    assert graph.parameter_count == 72 + 4 + 120 + 5
    assert graph.multiply_adds == 6 * 4 * 72 + 120
    assert graph.node("output").shape == (5,)
    assert graph.shared == frozenset()


def test_fans_are_connections_of_a_unit():
    graph = build(conv2d(6, 3, groups=2), dense(7), shape=(4, 4, 4))
    fans = {name: (spec.fan_in, spec.fan_out) for name, spec in graph.parameters.items() if "weights" in name}
    assert fans == {"conv2d_1/weights": (9 * 2, 9 * 3), "dense_1/weights": (2 * 2 * 6, 7)}


@pytest.mark.parametrize(
    ("layers", "shape", "place", "message"),
    [
        ([dense(3), conv2d(2, 3)], (5,), 1, "layer conv2d_1 takes 3 axes (height, width, channels), found shape [3]"),
        (
            [conv2d(2, 3), conv2d(2, 5, name="deep")],
            (6, 9, 1),
            1,
            "layer deep a window of 5 does not fit an input of 4",
        ),
        ([conv2d(4, 1, groups=2)], (3, 3, 5), 0, "layer conv2d_1 an input of 5 channels cannot be cut into 2 groups"),
        ([max_pool2d(2, 2), max_pool2d(2, 2)], (2, 2, 1), 1, "layer max_pool2d_2"),
        ([conv2d(1, 3, padding=3)], (8, 8, 1), 0, "padding of 3 is as large as the window of 3 (rows)"),
        (
            [dense(3), {"type": "dense_transposed", "tied_to": "nobody", "units": 4}],
            (4,),
            1,
            "layer dense_transposed_1 is tied to 'nobody', and no layer before it of that name has weights",
        ),
        (
            [{"type": "dense_transposed", "tied_to": "late", "units": 4}, dense(3, name="late")],
            (4,),
            0,
            "is tied to 'late', and no layer before it",
        ),
        (
            [{"type": "flatten", "name": "flat"}, {"type": "dense_transposed", "tied_to": "flat", "units": 4}],
            (4,),
            1,
            "is tied to 'flat', and no layer before it of that name has weights",
        ),
        (
            [dense(3, name="code"), {"type": "dense_transposed", "tied_to": "code", "units": 9}],
            (4,),
            1,
            "is tied to 'code', whose weights have shape [4, 3]; expected [9, 3]",
        ),
    ],
)
def test_what_does_not_fit_is_refused_where_it_stands(layers, shape, place, message):
    with pytest.raises(MisfitError, match=re.escape(message)) as failure:
        build(*layers, shape=shape)
    assert failure.value.path == ("network", place)


def test_tied_weights_are_counted_once_and_shared():
    graph = build(dense(3, name="code"), {"type": "dense_transposed", "tied_to": "code", "units": 4}, shape=(4,))
    assert list(graph.parameters) == ["code/weights", "code/bias", "dense_transposed_1/bias"]
    assert graph.parameter_count == 12 + 3 + 4
    assert graph.shared == {"code/weights"}
    assert graph.nodes[1].source("weights") == "code/weights"
    assert graph.nodes[1].source("bias") == "dense_transposed_1/bias"


CAFFE_LENET = [conv2d(20, 5), max_pool2d(2, 2), conv2d(50, 5), max_pool2d(2, 2), dense(500), dense(10)]
CIFAR_QUICK = [
    conv2d(32, 5, padding=2),
    max_pool2d(3, 2, rounding="up"),
    conv2d(32, 5, padding=2),
    avg_pool2d(3, 2, rounding="up"),
    conv2d(64, 5, padding=2),
    avg_pool2d(3, 2, rounding="up"),
    dense(64),
    dense(10),
]
ALEXNET = [
    conv2d(96, 11, stride=4),
    max_pool2d(3, 2),
    conv2d(256, 5, padding=2, groups=2),
    max_pool2d(3, 2),
    conv2d(384, 3, padding=1),
    conv2d(384, 3, padding=1, groups=2),
    conv2d(256, 3, padding=1, groups=2),
    max_pool2d(3, 2),
    dense(4096),
    dense(4096),
    dense(1000),
]
ALEXNET_NO_GROUPS = [{**layer, "groups": 1} if "groups" in layer else layer for layer in ALEXNET]


def vgg(*blocks: int) -> list[dict]:
    """So many 3 × 3 convolutions in each block, then the dense layers (Simonyan and Zisserman 2014, table 1)."""
    layers = []
    for count, filters in zip(blocks, (64, 128, 256, 512, 512), strict=True):
        layers += [conv2d(filters, 3, padding="same") for _ in range(count)] + [max_pool2d(2, 2)]
    return [*layers, dense(4096), dense(4096), dense(1000)]


@pytest.mark.parametrize(
    ("layers", "shape", "count"),
    [
        ([dense(1000), dense(1000), dense(1000), dense(10)], (28, 28, 1), 2_797_010),
        (CAFFE_LENET, (28, 28, 1), 431_080),
        (CIFAR_QUICK, (32, 32, 3), 145_578),
        (ALEXNET, (227, 227, 3), 60_965_224),
        (ALEXNET_NO_GROUPS, (227, 227, 3), 62_378_344),
        (vgg(1, 1, 2, 2, 2), (224, 224, 3), 132_863_336),
        (vgg(2, 2, 2, 2, 2), (224, 224, 3), 133_047_848),
        (vgg(2, 2, 3, 3, 3), (224, 224, 3), 138_357_544),
        (vgg(2, 2, 4, 4, 4), (224, 224, 3), 143_667_240),
    ],
    ids=["mlp", "lenet", "cifar-quick", "alexnet", "alexnet-no-groups", "vgg-11", "vgg-13", "vgg-16", "vgg-19"],
)
def test_published_parameter_counts(layers, shape, count):
    assert build(*layers, shape=shape).parameter_count == count


def test_a_graph_of_any_size_takes_no_memory():
    graph = build(dense(10**6), dense(10**6), shape=(10**6,))
    assert graph.parameter_count == 2 * 10**12 + 2 * 10**6
