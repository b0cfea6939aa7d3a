"""Tables of connections in `conv2d`: what is refused, how weights start, and the parameters of LeCun's nets."""

import numpy as np
import pytest
from pydantic import ValidationError

from dlcli.errors import MisfitError
from dlcli.graph import Graph
from dlcli.network import Network
from tests.layers.harness import layer_of

# LeCun et al. 1998, table I: its columns are filters, and X stands where one sees the channel of the row.
TABLE_I = """
X...XXX..XXXX.XX
XX...XXX..XXXX.X
XXX...XXX..X.XXX
.XXX..XXXX..X.XX
..XXX..XXXX.XX.X
...XXX..XXXX.XXX
"""
C3 = [[c for c, row in enumerate(TABLE_I.split()) if row[f] == "X"] for f in range(16)]


def conv2d(**options):
    return layer_of({"type": "conv2d", "name": "conv", "kernel_size": 5, **options})


def count(layer, shape):
    return Graph.build([layer], shape).parameter_count


def test_the_parameters_are_those_of_the_connections():
    assert count(conv2d(filters=16, connections=C3), (14, 14, 6)) == 1516
    h1 = conv2d(filters=12, stride=2, padding=2, unshared_bias=True)
    assert count(h1, (16, 16, 1)) == 768 + 300
    around = [[(f + i) % 12 for i in range(8)] for f in range(12)]
    h2 = conv2d(filters=12, stride=2, padding=2, unshared_bias=True, connections=around)
    assert count(h2, (8, 8, 12)) == 192 + 2400


def test_multiplications_are_those_of_the_connections():
    assert conv2d(filters=16, connections=C3).multiply_adds([(14, 14, 6)]) == 10 * 10 * 25 * 60


@pytest.mark.parametrize(
    ("connections", "message"),
    [
        ([[0], [1], [2]], "found 3 lists for 4 filters"),
        ([[0, 1], [2, 1, 0, 1]], "found channel 1 more than once in list 1"),
    ],
)
def test_a_table_that_makes_no_sense_is_refused(connections, message):
    with pytest.raises(ValidationError, match=message):
        conv2d(filters=4, connections=connections)


def test_a_table_and_groups_are_refused():
    with pytest.raises(ValidationError, match="found groups too") as failure:
        conv2d(filters=4, groups=2, connections=[[0]])
    assert failure.value.errors()[0]["loc"] == ("layer", "conv2d", "connections")


def test_an_unshared_bias_that_there_is_not_is_refused():
    with pytest.raises(ValidationError, match="found true with `bias: false`") as failure:
        conv2d(filters=4, bias=False, unshared_bias=True)
    assert failure.value.errors()[0]["loc"] == ("layer", "conv2d", "unshared_bias")


def test_a_channel_that_the_input_lacks_is_refused():
    layer = conv2d(filters=2, connections=[[0, 3], [1]])
    assert count(layer, (6, 6, 4)) == 77
    with pytest.raises(MisfitError, match="connects channel 3, but the input's channels are 0 to 2"):
        count(layer, (6, 6, 3))


def initial(connections, **options):
    graph = Graph.build([conv2d(filters=len(connections), connections=connections, **options)], (8, 8, 9))
    network = Network(graph, dtype=np.float64, seed=3)
    network.initialise()
    return network.parameters["conv/weights"]


def test_every_filter_starts_by_its_own_number_of_inputs():
    """Uniform of variance 1 / fan-in: the bounds are ±√(3 / fan-in)."""
    weights = initial([[0], list(range(9))], initialiser="lecun")
    assert weights.shape == (5, 5, 10)
    one, nine = np.abs(weights[..., 0]).max(), np.abs(weights[..., 1:]).max()
    assert 0.8 * np.sqrt(3 / 25) < one <= np.sqrt(3 / 25)
    assert 0.95 * np.sqrt(3 / 225) < nine <= np.sqrt(3 / 225)


def test_sparse_weights_are_counted_by_filter():
    weights = initial([[0, 1, 2], [4, 8]], initialiser={"type": "sparse", "connections": 4})
    assert [np.count_nonzero(weights[..., :3]), np.count_nonzero(weights[..., 3:])] == [4, 4]
