"""Mistakes that no single option shows: layers that repeat a name, or name one that isn't there.

They are found before shapes are known, in options or in mappings that are yet to become options, so that they
stand beside all the other mistakes of a file.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from dlcli.config.words import did_you_mean, quoted
from dlcli.errors import MisfitError
from dlcli.graph import names
from dlcli.layers.base import Layer


class _Described(NamedTuple):
    """What a layer says of its place in the network."""

    type: str
    name: str | None
    inputs: Sequence[Any] | None


def layer_names(layers: Sequence[Any]) -> list[str]:
    """Name of each layer, given its options or what the file has for them."""
    return names([_describe(layer) for layer in layers])  # type: ignore[misc]  # names reads type and name alone


def misfits(layers: Sequence[Any], pretrained: Sequence[Any]) -> Iterator[MisfitError]:
    """Every mistake in the names of layers and in those that refer to them.

    Parameters
    ----------
    layers: each a layer's options, or a mapping or bare type as the file has it, in order.
    pretrained: the names in `pretrain.layers`.
    """
    called = layer_names(layers)
    for index, layer in enumerate(map(_describe, layers)):
        if layer.name is not None and (message := _name(layer.name, called[:index])):
            yield MisfitError(("network", index, "name"), message)
        if layer.inputs is not None:
            yield from _inputs(layer.inputs, called, index)
    for index, name in enumerate(pretrained):
        if isinstance(name, str) and name not in called:
            yield MisfitError(("pretrain", "layers", index), _nameless(name, called))


def _describe(layer: Any) -> _Described:
    if isinstance(layer, Layer):
        return _Described(layer.type, layer.name, layer.inputs)  # type: ignore[attr-defined]  # every member has a type
    given = layer if isinstance(layer, dict) else {"type": layer}
    name, inputs = given.get("name"), given.get("inputs")
    return _Described(
        type=str(given.get("type")),
        name=name if isinstance(name, str) else None,
        inputs=inputs if isinstance(inputs, list) else None,
    )


def _name(name: str, before: Sequence[str]) -> str | None:
    kind, _, number = name.rpartition("_")
    if number.isdigit() and kind in {*Layer.members(), *Layer.type_spellings()}:
        return f"found {quoted(name)}, a pattern reserved for layers without a name; expected another name"
    if name in before:
        return f"found {quoted(name)}, network.{before.index(name)} has this name already; expected another"
    return None


def _inputs(inputs: Sequence[Any], called: Sequence[str], index: int) -> Iterator[MisfitError]:
    """Until networks branch, a layer's only input is the layer before it."""
    if index == 0:
        yield MisfitError(("network", 0, "inputs"), "the first layer takes the data; expected no `inputs`")
        return
    expected = f"expected {quoted(called[index - 1])}, the layer before: a network is a chain"
    if len(inputs) != 1:
        yield MisfitError(("network", index, "inputs"), f"found {len(inputs)} inputs, {expected}")
    for place, name in enumerate(inputs):
        if isinstance(name, str) and name != called[index - 1]:
            known = f"found {quoted(name)}, {expected}"
            message = known if name in called else _nameless(name, called)
            yield MisfitError(("network", index, "inputs", place), message)


def _nameless(name: str, called: Sequence[str]) -> str:
    return f"found {quoted(name)}, expected the name of a layer{did_you_mean(name, called) or _all(called)}"


def _all(called: Sequence[str]) -> str:
    return f": {', '.join(map(quoted, called[:10]))}{', …' if len(called) > 10 else ''}"
