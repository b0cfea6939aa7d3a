"""A layer folded back at its output, as a list of layers: x → (noise) → y → x' (survey, fig. 4)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from dlcli.graph import Graph, Node
from dlcli.layers.base import Layer
from dlcli.layers.max_pool2d import MaxPool2d
from dlcli.layers.max_unpool2d import MaxUnpool2d
from dlcli.layers.pooled import Pooled
from dlcli.layers.upsample2d import Upsample2d

Unpooling = Literal["switches", "upsampling"]


@dataclass(frozen=True)
class Folded:
    """An autoencoder's layers.

    Attributes
    ----------
    node: the layer to fold back.
    mirror: what leads back to its inputs.
    noise: changes the inputs in training, if anything does.
    after: layers that look at its output, or change it, before it is folded back.
    pool: the pooling layer that follows it in the network, to be folded in, and ``unpooling``, the way back from it.
    """

    node: Node
    mirror: Layer
    noise: Layer | None = None
    after: tuple[Layer, ...] = ()
    pool: Node | None = None
    unpooling: Unpooling = "switches"

    def layers(self) -> list[Layer]:
        """In order. Names with a dot are the stage's own: no name in a config has one."""
        return list(self._layers())

    def _layers(self) -> Iterator[Layer]:
        name = self.node.name
        if self.noise is not None:
            yield _named(self.noise, f"{name}.noise")
        yield (last := _named(self.node.layer, name))
        for layer in self.after:
            yield (last := _named(layer, f"{name}.{getattr(layer, 'type', '')}"))
        if self.pool is not None:
            yield _named(self.pool.layer, f"{name}.pool")
            yield _named(self._unpool(self.pool.layer), f"{name}.unpool", *self._unpool_inputs(str(last.name)))
        yield _named(self.mirror, f"{name}.mirror")

    def _unpool(self, pool: Layer) -> Layer:
        assert isinstance(pool, Pooled)  # noqa: S101
        if self.unpooling == "switches":
            return MaxUnpool2d(size=pool.size, stride=pool.stride, padding=pool.padding, rounding=pool.rounding)
        return Upsample2d(factor=pool.size)

    def _unpool_inputs(self, pooled: str) -> tuple[str, ...]:
        return (f"{self.node.name}.pool", pooled) if self.unpooling == "switches" else ()


def pooling_after(node: Node, graph: Graph) -> Node | None:
    """The pooling layer that takes this layer's output, if one does."""
    place = graph.nodes.index(node)
    following = graph.nodes[place + 1] if place + 1 < len(graph.nodes) else None
    if following is None or following.sources != (place,) or not isinstance(following.layer, Pooled):
        return None
    return following


def check_unpooling(pool: Node, unpooling: Unpooling) -> None:
    """Raise ValueError where there is no such way back from a pooling layer."""
    layer, shape = pool.layer, pool.inputs[0]
    assert isinstance(layer, Pooled)  # noqa: S101
    if unpooling == "switches":
        if not isinstance(layer, MaxPool2d):
            kind = getattr(layer, "type", "")
            raise ValueError(f"{pool.name} ({kind}) has no switches; expected max_pool2d, or pooling: upsampling")
        return
    whole = all(
        out * size == cells and not pad
        for (out, pad), size, cells in zip(layer.windows(shape), layer.size, shape[:2], strict=True)
    )
    if not whole or (layer.stride or layer.size) != layer.size:
        raise ValueError(
            f"{pool.name} does not cut its inputs of {shape[0]} × {shape[1]} into windows of {layer.size[0]} × "
            f"{layer.size[1]} side by side; expected that, or pooling: switches"
        )


def _named(layer: Layer, name: str, *inputs: str) -> Layer:
    return layer.model_copy(update={"name": name, "inputs": inputs or None})
