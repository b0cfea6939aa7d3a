"""The network with its arrays: it allocates what the layers declare, and passes batches forward and backward."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from math import prod
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from dlcli import random
from dlcli.graph import Graph, Node
from dlcli.kernels.sink import part
from dlcli.layers.base import Array, Arrays, BufferSpec, Layer, Sink


class _Views(NamedTuple):
    """The buffers as batches of one size use them: each layer with its arrays, in the order in which it is asked."""

    arrays: list[Arrays]
    forward: list[tuple[Layer, Arrays]]
    backward: list[tuple[Layer, Arrays]]
    penalties: list[tuple[Layer, Arrays]]


class Network:
    """A graph's parameters and buffers.

    Parameters
    ----------
    graph: shapes and parameters.
    dtype: float32; float64 for gradient checks.
    seed: of the layers' own random numbers (dropout) and of `initialise`.
    parameters: arrays to use, and to change, instead of new ones; by name. Others start at zero.

    Attributes
    ----------
    parameters: every parameter by its name in a checkpoint, e.g. ``hidden1/weights``.
    """

    def __init__(
        self,
        graph: Graph,
        *,
        dtype: npt.DTypeLike = np.float32,
        seed: int = 0,
        parameters: Mapping[str, Array] | None = None,
    ) -> None:
        self.graph = graph
        self.dtype = np.dtype(dtype)
        self.seed = seed
        given = parameters or {}
        self.parameters = {
            name: given[name] if name in given else np.zeros(spec.shape, self.dtype)
            for name, spec in graph.parameters.items()
        }
        for name, spec in graph.parameters.items():
            array = self.parameters[name]
            if (array.shape, array.dtype) != (spec.shape, self.dtype) or not array.flags.c_contiguous:
                raise ValueError(f"{name} must be contiguous, {spec.shape} {self.dtype}: kernels see its address only")
        self._keys = [random.key(seed, "layer", node.name) for node in graph.nodes]
        self._sinks: dict[str, Sink] = {}
        self._input_gradient = False
        self._capacity = 0
        self._views: dict[int, _Views] = {}
        self._outputs: list[Array] = []

    def initialise(self, names: Iterable[str] | None = None) -> None:
        """Draw initial values, of all parameters or of those named; each has a generator of its own."""
        for name in self.parameters if names is None else names:
            spec = self.graph.parameters[name]
            rng = random.generator(self.seed, "initial", name)
            spec.initialiser.fill(self.parameters[name], spec.fan_in, spec.fan_out, rng)

    def bind(self, sinks: Mapping[str, Sink], *, input_gradient: bool = False) -> None:
        """Say where gradients go, by parameter; those without a sink are not computed.

        A parameter in ``graph.shared`` gets its gradient in parts, whose sum a ``STORE`` sink has in the end; an
        ``UPDATE`` is done when the last has come.
        """
        self._sinks = dict(sinks)
        self._input_gradient = input_gradient
        self.__dict__.pop("_first_needed", None)
        self._views.clear()

    def wrap_layers(self, wrap: Callable[[Node], Layer]) -> None:
        """Let others stand in for the layers, the same but for what they do besides: a clock's, say."""
        nodes = (replace(node, layer=wrap(node)) for node in self.graph.nodes)
        self.graph = Graph(self.graph.input_shape, tuple(nodes))
        self._views.clear()

    def forward(self, x: Array, *, training: bool = False, step: int = 0) -> Array:
        """The output (N, …) for x (N, …), a buffer that the next pass overwrites.

        Random layers are at work in ``training`` only, as functions of ``step``.
        """
        views = self._batch(len(x))
        inputs = views.arrays[0].inputs[0]
        if x.shape != inputs.shape:
            raise ValueError(f"found samples of shape {x.shape[1:]}, expected {inputs.shape[1:]}")
        np.copyto(inputs, x, casting="unsafe")
        for layer, arrays in views.forward:
            layer.forward(arrays, training, step)
        return views.arrays[-1].output

    def output_gradient(self, samples: int) -> Array:
        """The buffer (samples, …) in which `backward` expects d loss / d output."""
        return self._batch(samples).arrays[-1].d_output

    def backward(self, samples: int) -> None:
        """Pass back the output gradient of the batch just passed forward in training, into the sinks.

        It ends at the first layer with a sink; what lies before gets no gradient.
        """
        for layer, arrays in self._batch(samples).backward:
            layer.backward(arrays)

    def input_gradient(self, samples: int) -> Array:
        """d loss / d x of the last `backward`, after ``bind(…, input_gradient=True)``."""
        gradient = self._batch(samples).arrays[0].d_inputs[0]
        assert gradient is not None, "bind the network with input_gradient=True first"  # noqa: S101
        return gradient

    def outputs(self, samples: int) -> dict[str, Array]:
        """Every layer's output in the last `forward`, by the layer's name."""
        views = self._batch(samples).arrays
        return {node.name: arrays.output for node, arrays in zip(self.graph.nodes, views, strict=True)}

    def penalty(self, samples: int) -> float:
        """What the layers add to the loss of the batch just passed forward."""
        return sum(layer.penalty(arrays) for layer, arrays in self._batch(samples).penalties)

    @cached_property
    def _first_needed(self) -> int:
        """Index of the first layer whose backward pass is wanted."""
        if self._input_gradient:
            return 0
        wanted = [i for i, node in enumerate(self.graph.nodes) if self._own_sinks(node)]
        return wanted[0] if wanted else len(self.graph.nodes)

    def _own_sinks(self, node: Node) -> dict[str, Sink]:
        return {p: self._sinks[s] for p in node.parameters if (s := node.source(p)) in self._sinks}

    def _batch(self, samples: int) -> _Views:
        """Views of the buffers for a batch of this many samples."""
        if samples > self._capacity:
            self._allocate(samples)
        views = self._views.get(samples)
        if views is None:
            arrays = self._make_views(samples)
            layers = [(node.layer, own) for node, own in zip(self.graph.nodes, arrays, strict=True)]
            views = self._views[samples] = _Views(
                arrays=arrays,
                forward=layers,
                backward=layers[self._first_needed :][::-1],
                penalties=[
                    (layer, own) for layer, own in layers if getattr(type(layer), "penalty", None) is not Layer.penalty
                ],
            )
        return views

    def _allocate(self, samples: int) -> None:
        """Buffers for the largest batch so far; smaller batches use their leading part."""
        nodes = self.graph.nodes
        self._views.clear()
        self._capacity = samples
        # Batches are copied to a place of the network's own: layers plan their kernels for arrays that stay.
        self._inputs = np.zeros((samples, *self.graph.input_shape), self.dtype)
        self._outputs = []
        for node in nodes:
            before, shape = self._outputs[-1] if self._outputs else self._inputs, (samples, *node.shape)
            self._outputs.append(before.reshape(shape) if node.layer.is_view else np.zeros(shape, self.dtype))
        self._saved = [
            {name: self._buffer(spec, samples) for name, spec in node.layer.saved(node.inputs).items()}
            for node in nodes
        ]
        self._gradients: list[Array] = []

    def _buffer(self, spec: BufferSpec, samples: int) -> Array:
        shape = spec.shape if spec.per_batch else (samples, *spec.shape)
        return np.zeros(shape, spec.dtype or self.dtype)

    def _make_views(self, samples: int) -> list[Arrays]:
        nodes = self.graph.nodes
        first = self._first_needed
        if first < len(nodes) and not self._gradients:
            # A layer's gradient is dead once its own backward pass is done: two buffers, in turn, serve the chain.
            # The gradients of a view and of its input share their memory, as their values do.
            largest = max(prod(shape) for shape in (self.graph.input_shape, *(node.shape for node in nodes)))
            self._gradients = [np.zeros(self._capacity * largest, self.dtype) for _ in range(2)]

        def gradient(index: int) -> Array:
            shape = nodes[index].shape if index >= 0 else self.graph.input_shape
            turn = sum(not node.layer.is_view for node in nodes[: index + 1]) % 2
            return self._gradients[turn][: samples * prod(shape)].reshape(samples, *shape)

        views = []
        for index, node in enumerate(nodes):
            saved = {
                name: buffer if spec.per_batch else buffer[:samples]
                for (name, buffer), spec in zip(
                    self._saved[index].items(), node.layer.saved(node.inputs).values(), strict=True
                )
            }
            arrays = Arrays(
                inputs=((self._outputs[index - 1] if index else self._inputs)[:samples],),
                output=self._outputs[index][:samples],
                parameters={name: self.parameters[node.source(name)] for name in node.parameters},
                saved=saved,
                key=self._keys[index],
            )
            if index >= first:
                arrays.d_output = gradient(index)
                wants_input = index > first or self._input_gradient
                arrays.d_inputs = (gradient(index - 1) if wants_input else None,)
                arrays.sinks = self._node_sinks(index)
            views.append(arrays)
        return views

    def _node_sinks(self, index: int) -> dict[str, Sink | None]:
        """The node's sinks; a shared parameter's gradient comes in parts, the last layer's first."""
        nodes, node = self.graph.nodes, self.graph.nodes[index]
        before, after = ({other.source(name) for other in others for name in other.parameters}
                         for others in (nodes[:index], nodes[index + 1 :]))  # fmt: skip
        sinks: dict[str, Sink | None] = {}
        for name in node.parameters:
            source = node.source(name)
            sink = self._sinks.get(source)
            if sink is not None:
                sink = sink._replace(kind=part(sink.kind, source not in after, source not in before))
            sinks[name] = sink
        return sinks
