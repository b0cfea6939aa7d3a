"""Mistakes that no single option shows: layers that repeat a name, or name one that isn't there; losses that miss.

They are found before shapes are known, in options or in mappings that are yet to become options, so that they
stand beside all the other mistakes of a file.
"""

from collections.abc import Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Any, NamedTuple

from dlcli.config.words import did_you_mean, listed, quoted
from dlcli.errors import MisfitError
from dlcli.expansion import INPUT, names
from dlcli.layers.base import Element
from dlcli.losses.base import Loss

Path = tuple[str | int, ...]
LISTS = ("layers", "shortcut")  # options of blocks that hold elements


class _Described(NamedTuple):
    """What an element says of its place in the network, and the lists of elements that it holds, by option."""

    type: str
    name: str | None
    inputs: Sequence[Any] | None
    share: str | None
    mirrors: str | None
    lists: Mapping[str, Sequence[Any]]


def layer_names(elements: Sequence[Any]) -> list[str]:
    """Name of each element of a list, given its options or what the file has for them."""
    return names([_describe(element) for element in elements])


def misfits(config: Any) -> Iterator[MisfitError]:
    """Every mistake in the names of layers and in those that refer to them, and in how many losses there are.

    ``config`` is an experiment, or a mapping as the file has it.
    """
    network = _get(config, "network")
    if isinstance(network, Sequence) and not isinstance(network, str):
        yield from _scope(network, ("network",), ())
        called = layer_names(network)
        for path, name in _references(config):
            if isinstance(name, str) and name not in called:
                yield MisfitError(path, _nameless(name, called))
    yield from _losses(config)


def _losses(config: Any) -> Iterator[MisfitError]:
    one, several = _get(config, "loss"), _get(config, "losses")
    if one is None and not several:
        yield MisfitError(("loss",), f"missing; expected one of the types {listed(map(quoted, Loss.members()))}")
    if one is not None and several:
        yield MisfitError(("losses",), "found beside `loss`; expected one of them")


def _references(config: Any) -> Iterator[tuple[Path, Any]]:
    """Names of elements that stand outside the network: where, and what."""
    layers = _get(_get(config, "pretrain"), "layers")
    for index, name in enumerate(layers if isinstance(layers, list | tuple) else ()):
        bare = isinstance(name, str)
        yield ("pretrain", "layers", index, *(() if bare else ("name",))), name if bare else _get(name, "name")
    yield ("loss", "input"), _get(_get(config, "loss"), "input")
    losses = _get(config, "losses")
    for index, loss in enumerate(losses if isinstance(losses, list | tuple) else ()):
        yield ("losses", index, "input"), _get(loss, "input")


def _get(options: Any, name: str) -> Any:
    return options.get(name) if isinstance(options, Mapping) else getattr(options, name, None)


def _scope(elements: Sequence[Any], path: Path, outer: Sequence[str]) -> Iterator[MisfitError]:
    """The mistakes of one list of elements, and of those inside; ``outer`` are names of the lists around it."""
    called = layer_names(elements)
    described = [_describe(element) for element in elements]
    sound = True
    for index, element in enumerate(described):
        own = (*path, index)
        if element.name is not None and (message := _name(element.name, called[:index], path)):
            yield MisfitError((*own, "name"), message)
        for place, name in enumerate(element.inputs or ()):
            if isinstance(name, str) and name != INPUT and name not in called:
                sound = False
                yield MisfitError((*own, "inputs", place), _nameless(name, called))
        for option, other in (("share", element.share), ("mirrors", element.mirrors)):
            if other is not None and other not in (*called, *outer):
                yield MisfitError((*own, option), _nameless(other, called))
        for option, inner in element.lists.items():
            yield from _scope(inner, (*own, option), [*outer, *called])
    if sound and len(set(called)) == len(called) and (cycle := _cycle(described, called)):
        round_it = " → ".join(map(quoted, cycle))
        message = f"found a cycle, {round_it}; expected none: data flow one way"
        yield MisfitError((*path, called.index(cycle[0]), "inputs"), message)


def _describe(element: Any) -> _Described:
    kind = _get(element, "type") if isinstance(element, Mapping | Element) else element
    name, inputs, share, mirrors = (_get(element, key) for key in ("name", "inputs", "share", "mirrors"))
    lists = {option: held for option in LISTS if isinstance(held := _get(element, option), list | tuple)}
    return _Described(
        type=str(kind),
        name=name if isinstance(name, str) else None,
        inputs=inputs if isinstance(inputs, list | tuple) else None,
        share=share if isinstance(share, str) else None,
        mirrors=mirrors if isinstance(mirrors, str) else None,
        lists=lists,
    )


def _name(name: str, before: Sequence[str], path: Path) -> str | None:
    kind, _, number = name.rpartition("_")
    if name == INPUT:
        return f"found {quoted(name)}, which stands for what a list of layers is given; expected another name"
    if number.isdigit() and kind in {*Element.members(), *Element.type_spellings()}:
        return f"found {quoted(name)}, a pattern reserved for layers without a name; expected another name"
    if name in before:
        other = ".".join(map(str, (*path, before.index(name))))
        return f"found {quoted(name)}, {other} has this name already; expected another"
    return None


def _cycle(elements: Sequence[_Described], called: Sequence[str]) -> list[str] | None:
    """Names round a cycle of inputs, the first repeated at the end, as data would flow; None where there is none."""
    takes: dict[str, list[str]] = {}
    for index, (name, element) in enumerate(zip(called, elements, strict=True)):
        default = [called[index - 1]] if index else []
        given = default if element.inputs is None else element.inputs
        takes[name] = [other for other in given if isinstance(other, str) and other != INPUT]
    try:
        TopologicalSorter(takes).prepare()
    except CycleError as error:
        return list(error.args[1])
    return None


def _nameless(name: str, called: Sequence[str]) -> str:
    return f"found {quoted(name)}, expected the name of a layer{did_you_mean(name, called) or _all(called)}"


def _all(called: Sequence[str]) -> str:
    return f": {', '.join(map(quoted, called[:10]))}{', …' if len(called) > 10 else ''}"
