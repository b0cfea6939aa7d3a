"""From the list `network` to the layers it stands for: blocks taken apart, names and references resolved.

Every list of elements is a scope. In it an element is called by its own name, or by its type and position, and may be
referred to by that; ``input`` is what the list is given: the samples, or a block's input. A layer inside a block is
called ``block/layer`` in logs and checkpoints; from outside, a block's name stands for its output.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from dlcli.errors import MisfitError
from dlcli.layers.base import Block, Element, Layer, Part, chain

INPUT = "input"
MOST = 10_000  # layers; a few nested repetitions could ask for any number
Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Placed:
    """A layer in the network.

    ``inputs`` are full names of layers, or `INPUT`, the samples. ``known`` leads from the names that may be used
    where the layer stands to full names. ``path`` is the place in the config that the layer comes from.
    """

    name: str
    layer: Layer
    inputs: tuple[str, ...]
    known: Mapping[str, str]
    path: Path


def expand(elements: Sequence[Element]) -> list[Placed]:
    """The layers that a network's elements stand for, each after those whose outputs it takes.

    Raises
    ------
    MisfitError: an element refers to one that there is not, or to itself round a cycle.
    """
    layers = list(islice(_scope(chain(elements), "", INPUT, {}, ("network",)), MOST + 1))
    if len(layers) > MOST:
        raise MisfitError(("network",), f"found more than {MOST:,} layers once blocks are taken apart")
    return _in_order(layers)


def names(elements: Sequence[Any]) -> list[str]:
    """Each element's name: its own, or its type and its position among those of the type (``dense_1``)."""
    counts: Counter[str] = Counter()
    result = []
    for element in elements:
        counts[element.type] += 1
        result.append(element.name or f"{element.type}_{counts[element.type]}")
    return result


def output_of(elements: Sequence[Element], name: str | None = None) -> str:
    """Full name of the layer whose output an element of this name has; by default the last one."""
    called = names(elements)
    index = len(called) - 1 if name is None else called.index(name)
    return _output(chain(elements)[index], called[index])


def _scope(parts: Sequence[Part], prefix: str, given: str, outer: Mapping[str, str], path: Path) -> Iterator[Placed]:
    """The layers of a list; ``given`` is the full name of the layer, or the samples, that its `input` stands for."""
    called = names(parts)
    known = {name: _output(part, prefix + name) for part, name in zip(parts, called, strict=True)}
    visible = {**outer, **known}
    before = given
    for part, name in zip(parts, called, strict=True):
        full, own = prefix + name, (*path, *part.path)
        inputs = tuple(_resolve(n, known, given, own) for n in part.inputs) if part.inputs else (before,)
        before = known[name]
        if isinstance(part.what, Layer):
            yield Placed(full, part.what, inputs, visible, own)
        elif len(inputs) == 1:
            yield from _scope(_inner(part), f"{full}/", inputs[0], visible, own)
        else:
            raise MisfitError((*own, "inputs"), f"found {len(inputs)} inputs, expected one: {full} is a block")


def _resolve(name: str, known: Mapping[str, str], given: str, path: Path) -> str:
    if name == INPUT:
        return given
    if name not in known:
        raise MisfitError((*path, "inputs"), f"found {name!r}, expected the name of a layer")
    return known[name]


def _inner(part: Part) -> list[Part]:
    """What a block, or a chain under one name, holds."""
    if isinstance(part.what, Block):
        return part.what.parts()
    assert isinstance(part.what, tuple), "a layer holds nothing"  # noqa: S101
    return chain(part.what)


def _output(part: Part, full: str) -> str:
    """Full name of the layer whose output a part has."""
    if isinstance(part.what, Layer):
        return full
    inner = _inner(part)
    return _output(inner[-1], f"{full}/{names(inner)[-1]}")


def _in_order(layers: Sequence[Placed]) -> list[Placed]:
    """Each layer after those whose outputs it takes, otherwise as they stand."""
    left, done, result = list(layers), {INPUT}, []
    while left:
        ready = next((layer for layer in left if done.issuperset(layer.inputs)), None)
        if ready is None:
            raise MisfitError((*left[0].path, "inputs"), f"layer {left[0].name} waits for its own output: a cycle")
        left.remove(ready)
        done.add(ready.name)
        result.append(ready)
    return result
