"""Where outputs and gradients stand: lives, places, and sums."""

from collections.abc import Sequence
from math import prod

import pytest
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


FUNNEL = [
    dense(160, name="first"),
    {"type": "sparsity", "name": "view"},
    dense(160),
    dense(80),
    dense(80),
    dense(80),
    dense(8, name="output"),
]
FUNNEL_OUTPUTS, FUNNEL_GRADIENTS = 160 + 160 + 3 * 80 + 8, 160 + 160  # of a sample; gradients: at a time, at most


def funnel(own: Sequence[str] | None = None, samples: int = 4, *, input_gradient: bool = False):
    graph = Graph.build(elements(*FUNNEL), (40,))
    places = (place for place, node in enumerate(graph.nodes) if own is None or node.name in own)
    return graph, plan(graph, frozenset(places), samples, input_gradient=input_gradient)


def overlap(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether two arrays, (start, size) each, have memory in common."""
    return one[0] < sum(other) and other[0] < sum(one)


def test_outputs_of_the_last_layers_make_room_for_gradients_of_the_first():
    graph, backward = funnel()
    assert backward.activations.keys() == {place for place, node in enumerate(graph.nodes) if node.name != "view"}
    assert backward.size < 4 * (FUNNEL_OUTPUTS + FUNNEL_GRADIENTS - 80)
    last = [(backward.activations[place], 4 * 80) for place in (3, 4, 5)]
    first = [(backward.outputs[place], 4 * 160) for place in (0, 2)]
    assert any(overlap(y, d) for y in last for d in first)


@pytest.mark.parametrize("own", [None, ["first"], ["view", "dense_3", "output"], ["dense_2"]])
def test_no_gradient_is_written_over_an_output_that_is_still_read(own):
    graph, backward = funnel(own)
    sizes = [4 * prod(node.shape) for node in graph.nodes]
    written = [(start, sizes[head]) for start, head in zip(backward.heads, graph.heads, strict=True)]
    for place in backward.order:
        sources = graph.nodes[place].sources
        starts = zip(backward.inputs[place], sources, strict=True)
        written += [(start, sizes[source]) for start, source in starts if start is not None]
        for home in {graph.homes[output] for output in (place, *sources) if output != SAMPLES}:
            assert not any(overlap((backward.activations[home], sizes[home]), gradient) for gradient in written)


def test_the_main_heads_output_outlives_the_pass():
    graph, backward = funnel(input_gradient=True)
    head = backward.activations[graph.heads[0]], 4 * 8
    gradients = [(start, 4 * prod(graph.nodes[place].shape)) for place, start in backward.outputs.items() if place >= 0]
    assert not any(overlap(head, gradient) for gradient in [*gradients, (backward.outputs[SAMPLES], 4 * 40)])
