"""The order of a backward pass: which layers it visits, and where outputs and their gradients stand.

A layer's output may go to several others and to losses; its gradient is then the sum of as many contributions, added
in the order in which they arrive. The first is written where the sum is to stand, later ones beside it, and added.
All stand in one piece of memory with the layers' outputs, and those whose lives don't meet share a place: the pass
begins with the last layers, whose outputs make room for the gradients of the first.
"""

from collections import Counter
from dataclasses import dataclass
from math import prod
from typing import NamedTuple

from dlcli.arena import Life, lay_out
from dlcli.graph import SAMPLES, Graph

LOSSES = -1  # the step before the first layer's: the losses write the gradients of their heads


class Sum(NamedTuple):
    """A contribution to add: places in memory, and how many numbers of each sample."""

    to: int
    contribution: int
    values: int


@dataclass(frozen=True)
class Backward:
    """A backward pass; what stands in memory is given by its place there, in numbers.

    Attributes
    ----------
    order: the layers that are visited, as places in the graph, in turn.
    activations: by layer with memory of its own for it (see `Graph.homes`), its output.
    outputs: by layer (and for `SAMPLES`, if wanted), the gradient of its output.
    befores: by layer that is placed in a concat's output (see `Graph.placed`), the gradient before its activation
        function; the gradient of its output is a part of the concat's.
    inputs: by layer, what it is to write for each of its inputs; None where that is not wanted, or there already.
    heads: what each loss is to write.
    sums: by layer (or `LOSSES`), the contributions to add once it is done.
    size: of the memory, in numbers.
    """

    order: tuple[int, ...]
    activations: dict[int, int]
    outputs: dict[int, int]
    befores: dict[int, int]
    inputs: dict[int, tuple[int | None, ...]]
    heads: tuple[int, ...]
    sums: dict[int, list[Sum]]
    size: int


def plan(graph: Graph, own: frozenset[int], samples: int, *, input_gradient: bool = False) -> Backward:
    """The backward pass that reaches the layers at the places ``own``, and the samples if ``input_gradient``.

    ``samples``: of the largest batch; smaller ones use the leading part of each array.
    """
    order = visited(graph, own, input_gradient=input_gradient)[::-1]
    wanted = {*order, *([SAMPLES] if input_gradient else [])}
    steps = {place: step for step, place in enumerate(order)} | {SAMPLES: len(order)}
    arriving = Counter([*graph.heads, *(source for place in order for source in graph.nodes[place].sources)])
    read = _last_reads(graph, steps)
    # One life for each output with memory of its own, then one for each gradient; named by its index here.
    lives = [Life(samples * prod(graph.nodes[place].shape), LOSSES, last) for place, last in read.items()]
    befores = {place: len(read) + index for index, place in enumerate(p for p in order if p in graph.placed)}
    lives += [Life(samples * prod(graph.nodes[place].shape), steps[place], steps[place]) for place in befores]
    outputs: dict[int, int] = {}
    sums: dict[int, list[tuple[int, int, int]]] = {}

    def values(place: int) -> int:
        return prod(graph.input_shape if place == SAMPLES else graph.nodes[place].shape)

    def contribution(to: int, by: int, step: int) -> int:
        first = to not in outputs
        lives.append(Life(samples * values(to), step, steps.get(to, LOSSES) if first else step))
        if first:
            outputs[to] = len(lives) - 1
        else:
            sums.setdefault(by, []).append((outputs[to], len(lives) - 1, values(to)))
        return len(lives) - 1

    def visit(place: int) -> list[int | None]:
        node, step = graph.nodes[place], steps[place]
        if node.layer.is_view and arriving[node.sources[0]] == 1 and node.sources[0] in wanted:
            shared = outputs[node.sources[0]] = outputs[place]
            lives[shared] = lives[shared]._replace(last=steps[node.sources[0]])
            return [shared]
        for source in wanted.intersection(node.sources).intersection(graph.placed):
            whole = outputs[source] = outputs[place]
            lives[whole] = lives[whole]._replace(last=max(lives[whole].last, steps[source]))
        return [
            contribution(source, place, step) if source in wanted and source not in graph.placed else None
            for source in node.sources
        ]

    heads = [contribution(head, LOSSES, LOSSES) for head in graph.heads]
    inputs = {place: visit(place) for place in order}
    starts, size = lay_out(lives)
    return Backward(
        order=tuple(order),
        activations=dict(zip(read, starts, strict=False)),
        outputs={place: starts[index] for place, index in outputs.items()},
        befores={place: starts[index] for place, index in befores.items()},
        inputs={
            place: tuple(None if index is None else starts[index] for index in indices)
            for place, indices in inputs.items()
        },
        heads=tuple(starts[index] for index in heads),
        sums={
            place: [Sum(starts[to], starts[contribution], values) for to, contribution, values in added]
            for place, added in sums.items()
        },
        size=size,
    )


def _last_reads(graph: Graph, steps: dict[int, int]) -> dict[int, int]:
    """By layer whose output has memory of its own, the last of the pass's ``steps`` that reads it.

    A step reads its layer's inputs and output. When the pass begins, all outputs are there: who asks for them, asks
    before it. The main head's stays to the end, since `Network.forward` has handed it out.
    """
    last = {home: LOSSES for home in graph.homes if home != SAMPLES}
    for place, node in enumerate(graph.nodes):
        for output in (place, *node.sources) if place in steps else ():
            home = SAMPLES if output == SAMPLES else graph.homes[output]
            if home != SAMPLES:
                last[home] = max(last[home], steps[place])
    if (head := graph.homes[graph.heads[0]]) != SAMPLES:
        last[head] = steps[SAMPLES]
    return last


def visited(graph: Graph, own: frozenset[int], *, input_gradient: bool = False) -> list[int]:
    """Places, in the graph's order, of the layers at ``own`` and of all that their outputs go into."""
    reached = {SAMPLES} if input_gradient else set()
    for place, node in enumerate(graph.nodes):
        if place in own or not reached.isdisjoint(node.sources):
            reached.add(place)
    return sorted(reached - {SAMPLES})
