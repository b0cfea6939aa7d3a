"""Where gradients stand: lives, places, and sums."""

from hypothesis import given
from hypothesis import strategies as st

from dlcli.arena import Life, lay_out
from dlcli.backward import LOSSES, plan
from dlcli.graph import SAMPLES, Graph
from tests.test_expansion import dense, elements

LIVES = st.lists(
    st.tuples(st.integers(1, 50), st.integers(0, 9), st.integers(0, 9)).map(
        lambda each: Life(each[0], min(each[1:]), max(each[1:]))
    ),
    max_size=25,
)


@given(LIVES)
def test_arrays_that_live_at_once_lie_apart(lives):
    starts, size = lay_out(lives)
    for index, (life, start) in enumerate(zip(lives, starts, strict=True)):
        assert 0 <= start <= start + life.size <= size
        assert start % 16 == 0
        for other, begin in zip(lives[:index], starts, strict=False):
            apart = start + life.size <= begin or begin + other.size <= start
            assert apart or life.last < other.first or other.last < life.first


def test_arrays_that_follow_each_other_share_memory():
    assert lay_out([Life(32, 0, 1), Life(32, 1, 2), Life(32, 2, 3), Life(32, 3, 4)]) == ([0, 32, 0, 32], 64)


DIAMOND = [
    dense(4, name="below"),
    dense(4, name="left"),
    dense(4, name="right", inputs=["below"]),
    {"type": "add", "name": "sum", "inputs": ["left", "right", "below"]},
    dense(2, name="output"),
]


def diamond(*own: str, input_gradient: bool = False):
    graph = Graph.build(elements(*DIAMOND), (3,))
    places = {node.name: place for place, node in enumerate(graph.nodes)}
    backward = plan(graph, frozenset(places[name] for name in own), 8, input_gradient=input_gradient)
    return [graph.nodes[place].name for place in backward.order], places, backward


def test_contributions_are_added_in_their_order():
    order, places, backward = diamond("below", "left", "right", "output")
    assert order == ["output", "sum", "right", "left", "below"]
    below = places["below"]
    assert [len(backward.sums.get(places[name], ())) for name in order] == [0, 0, 1, 1, 0]
    first = backward.inputs[places["sum"]][2]
    assert first == backward.outputs[below]
    assert {s.to for name in ("right", "left") for s in backward.sums[places[name]]} == {first}
    assert backward.inputs[below] == (None,)


def test_only_what_is_wanted_is_visited():
    order, _, _ = diamond("left")
    assert order == ["output", "sum", "left"]
    order, _, backward = diamond(input_gradient=True)
    assert order == ["output", "sum", "right", "left", "below"]
    assert SAMPLES in backward.outputs


def test_two_losses_at_one_head_are_added_first():
    graph = Graph.build(elements(dense(2, name="output")), (3,), ["output", "output"])
    backward = plan(graph, frozenset([0]), 4)
    assert len(set(backward.heads)) == 2
    ((to, contribution, values),) = backward.sums[LOSSES]
    assert (to, contribution, values) == (*backward.heads, 2)
