"""The network with its arrays: it allocates what the layers declare, and passes batches forward and backward."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from math import prod

import numpy as np
import numpy.typing as npt

from dlcli import random
from dlcli.backward import LOSSES, Backward, plan
from dlcli.graph import SAMPLES, Graph, Node
from dlcli.kernels import accumulate
from dlcli.kernels.launch import Launch, begins
from dlcli.kernels.sink import part
from dlcli.layers.base import Array, Arrays, BufferSpec, Layer, Shape, Sink


@dataclass
class _Views:
    """The buffers as batches of one size use them: each layer with its arrays, in the order in which it is asked.

    In training every layer passes the batch on, those that are frozen in evaluation's way; in evaluation those that
    the main head needs. Sums of gradients run once a layer's backward pass, or the losses, have made all of them.
    """

    arrays: list[Arrays]
    training: list[tuple[Layer, Arrays, bool]]
    evaluation: list[tuple[Layer, Arrays, bool]]
    penalties: list[tuple[Layer, Arrays]]
    backward: list[tuple[Layer, Arrays, list[Launch]]] = field(default_factory=list)
    heads: list[Array] = field(default_factory=list)
    head_sums: list[Launch] = field(default_factory=list)
    input_gradient: Array | None = None


class Network:
    """A graph's parameters, state and buffers.

    Parameters
    ----------
    graph: shapes and parameters.
    dtype: float32; float64 for gradient checks.
    seed: of the layers' own random numbers (dropout) and of `initialise`.
    parameters: arrays to use, and to change, instead of new ones; by name, of parameters and of state. Other
        parameters start at zero.

    Attributes
    ----------
    parameters: every parameter by its name in a checkpoint, e.g. ``hidden1/weights``.
    state: every array of the layers' state, likewise.
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
        self.parameters = {name: self._array(name, spec.shape, 0.0, given) for name, spec in graph.parameters.items()}
        self.state = {name: self._array(name, spec.shape, spec.initial, given) for name, spec in graph.state.items()}
        self._keys = [random.key(seed, "layer", node.name) for node in graph.nodes]
        self._sinks: dict[str, Sink] = {}
        self._input_gradient = False
        self._capacity = 0
        self._views: dict[int, _Views] = {}
        self._outputs: list[Array] = []
        self._memory = np.empty(0, self.dtype)
        self._backward: Backward | None = None

    def _array(self, name: str, shape: Shape, initial: float, given: Mapping[str, Array]) -> Array:
        if name not in given:
            return np.full(shape, initial, self.dtype) if initial else np.zeros(shape, self.dtype)
        array = given[name]
        if (array.shape, array.dtype) != (shape, self.dtype) or not array.flags.c_contiguous:
            raise ValueError(f"{name} must be contiguous, {shape} {self.dtype}: kernels see its address only")
        return array

    @property
    def tensors(self) -> dict[str, Array]:
        """All that a checkpoint keeps of the network: parameters and state."""
        return self.parameters | self.state

    def initialise(self, names: Iterable[str] | None = None) -> None:
        """Draw initial values, of all parameters or of those named; each has a generator of its own."""
        for name in self.parameters if names is None else names:
            spec = self.graph.parameters[name]
            rng = random.generator(self.seed, "initial", name)
            spec.initialiser.fill(self.parameters[name], spec.fan_in, spec.fan_out, rng)

    def bind(self, sinks: Mapping[str, Sink], *, input_gradient: bool = False) -> None:
        """Say where gradients go, by parameter; those without a sink are not computed.

        A parameter in ``graph.shared`` gets its gradient in parts, whose sum a ``STORE`` sink has in the end; an
        ``UPDATE``, or ``MOVE``, is done when the last has come.
        What the network has passed forward before is gone.
        A layer with state none of whose parameters has a sink is frozen: its state stays as it is, too.
        """
        self._sinks = dict(sinks)
        self._input_gradient = input_gradient
        self._forget_layout()

    def wrap_layers(self, wrap: Callable[[Node], Layer]) -> None:
        """Let others stand in for the layers, the same but for what they do besides: a clock's, say."""
        self.graph = replace(self.graph, nodes=tuple(replace(node, layer=wrap(node)) for node in self.graph.nodes))
        self._views.clear()

    def forward(self, x: Array, *, training: bool = False, step: int = 0) -> Array:
        """The main head's output (N, …) for x (N, …), a buffer that the next forward pass overwrites.

        Random layers are at work in ``training`` only, as functions of ``step``; so are heads beside the main one.
        """
        views = self._batch(len(x))
        if x.shape[1:] != self.graph.input_shape:
            raise ValueError(f"found samples of shape {x.shape[1:]}, expected {self.graph.input_shape}")
        if not begins(self._inputs, x):
            np.copyto(self._inputs[: len(x)], x, casting="unsafe")
        for layer, arrays, mode in views.training if training else views.evaluation:
            layer.forward(arrays, mode, step)
        return views.arrays[self.graph.heads[0]].output

    def inputs(self, samples: int) -> Array:
        """The buffer (N, …) that samples are passed forward from; those that are written there need no copy."""
        self._batch(samples)
        return self._inputs[:samples]

    def head(self, samples: int, index: int) -> Array:
        """The output (samples, …) that a loss looks at, of the last `forward` in training, until `backward`."""
        return self._batch(samples).arrays[self.graph.heads[index]].output

    def output_gradient(self, samples: int, index: int = 0) -> Array:
        """The buffer (samples, …) in which `backward` expects d loss / d output, by the loss's index."""
        return self._batch(samples).heads[index]

    def backward(self, samples: int) -> None:
        """Pass back the output gradients of the batch just passed forward in training, into the sinks.

        It visits the layers with a sink and those that their outputs go into; others get no gradient.
        """
        views = self._batch(samples)
        for launch in views.head_sums:
            launch.run()
        for layer, arrays, sums in views.backward:
            layer.backward(arrays)
            for launch in sums:
                launch.run()

    def input_gradient(self, samples: int) -> Array:
        """d loss / d x of the last `backward`, after ``bind(…, input_gradient=True)``, until the next forward pass."""
        gradient = self._batch(samples).input_gradient
        assert gradient is not None, "bind the network with input_gradient=True first"  # noqa: S101
        return gradient

    def outputs(self, samples: int) -> dict[str, Array]:
        """Every layer's output in the last `forward`, by the layer's name; `backward` needs their memory."""
        views = self._batch(samples).arrays
        return {node.name: arrays.output for node, arrays in zip(self.graph.nodes, views, strict=True)}

    def penalty(self, samples: int) -> float:
        """What the layers add to the loss of the batch just passed forward; asked before `backward`."""
        return sum(layer.penalty(arrays) for layer, arrays in self._batch(samples).penalties)

    # Buffers

    def _own_sinks(self, node: Node) -> dict[str, Sink]:
        return {p: self._sinks[s] for p in node.parameters if (s := node.source(p)) in self._sinks}

    def _frozen(self, node: Node) -> bool:
        return bool(self._sinks and node.state and node.parameters) and not self._own_sinks(node)

    def _batch(self, samples: int) -> _Views:
        """Views of the buffers for a batch of this many samples."""
        if samples > self._capacity:
            self._allocate(samples)
        views = self._views.get(samples)
        if views is None:
            views = self._views[samples] = self._make_views(samples)
        return views

    def _allocate(self, samples: int) -> None:
        """Buffers for the largest batch so far; smaller batches use their leading part."""
        self._forget_layout()
        self._capacity = samples
        # Batches are copied to a place of the network's own: layers plan their kernels for arrays that stay.
        self._inputs = np.zeros((samples, *self.graph.input_shape), self.dtype)
        self._saved = [
            {name: self._buffer(spec, samples) for name, spec in node.layer.saved(node.inputs).items()}
            for node in self.graph.nodes
        ]

    def _forget_layout(self) -> None:
        """Leave outputs and gradients to be laid out anew."""
        self._views.clear()
        self._outputs.clear()
        self._backward, self._memory = None, np.empty(0, self.dtype)

    def _lay_out(self) -> None:
        """Places for the outputs: with those of gradients, for the sinks that are bound, or each for itself."""
        nodes = self.graph.nodes
        if self._sinks or self._input_gradient:
            own = frozenset(place for place, node in enumerate(nodes) if self._own_sinks(node))
            self._backward = plan(self.graph, own, self._capacity, input_gradient=self._input_gradient)
            self._memory = np.zeros(self._backward.size, self.dtype)
        whole = {SAMPLES: self._inputs}
        for home in set(self.graph.homes) - {SAMPLES}:
            shape = (self._capacity, *nodes[home].shape)
            starts = None if self._backward is None else self._backward.activations
            whole[home] = np.zeros(shape, self.dtype) if starts is None else self._part(starts[home], shape)
        self._outputs = [self._within(whole[home], place) for place, home in enumerate(self.graph.homes)]

    def _within(self, array: Array, place: int) -> Array:
        """A layer's output in that of its home (see `Graph.homes`), or its gradient in that one's."""
        shape, concat = self.graph.nodes[place].shape, self.graph.placed.get(place)
        if concat is None:
            return array.reshape(-1, *shape)
        return array[..., concat[1] : concat[1] + shape[-1]]

    def _part(self, start: int, shape: Shape) -> Array:
        """An array in the memory that outputs and gradients share."""
        return self._memory[start : start + prod(shape)].reshape(shape)

    def _buffer(self, spec: BufferSpec, samples: int) -> Array:
        shape = spec.shape if spec.per_batch else (samples, *spec.shape)
        return np.zeros(shape, spec.dtype or self.dtype)

    def _output(self, place: int) -> Array:
        return self._inputs if place == SAMPLES else self._outputs[place]

    def _make_views(self, samples: int) -> _Views:
        if not self._outputs:
            self._lay_out()
        nodes, heads = self.graph.nodes, self.graph.heads
        arrays = [self._node_arrays(place, samples) for place in range(len(nodes))]
        layers = [(node.layer, own) for node, own in zip(nodes, arrays, strict=True)]
        training = [(*layer, not self._frozen(node)) for layer, node in zip(layers, nodes, strict=True)]
        needed = self.graph.ancestors(heads[:1])
        views = _Views(
            arrays=arrays,
            training=training,
            evaluation=[(*layer, False) for place, layer in enumerate(layers) if place in needed],
            penalties=[layer for layer in layers if getattr(type(layer[0]), "penalty", None) is not Layer.penalty],
        )
        if self._backward is not None:
            self._connect(self._backward, views, layers, samples)
        return views

    def _connect(self, backward: Backward, views: _Views, layers: list[tuple[Layer, Arrays]], samples: int) -> None:
        """Give the layers their gradients, and the views their backward pass."""
        nodes = self.graph.nodes

        def gradient(start: int, place: int) -> Array:
            return self._part(start, (samples, *(self.graph.input_shape if place == SAMPLES else nodes[place].shape)))

        def sums(place: int) -> list[Launch]:
            added = [[self._part(at, (samples * s.values,)) for at in s[:2]] for s in backward.sums.get(place, [])]
            return [launch for pair in added for launch in accumulate.add.plan(*pair)]

        parts = [nodes[place].source(name) for place in backward.order for name in nodes[place].parameters]
        left, whole = Counter(parts), Counter(parts)
        for place in backward.order:
            node, (layer, arrays) = nodes[place], layers[place]
            holder = self.graph.placed.get(place, (place,))[0]
            arrays.d_output = self._within(gradient(backward.outputs[place], holder), place)
            if place in backward.befores:
                arrays.d_before = gradient(backward.befores[place], place)
            starts = zip(backward.inputs[place], node.sources, strict=True)
            arrays.d_inputs = tuple(None if start is None else gradient(start, source) for start, source in starts)
            arrays.sinks = {}
            for name in node.parameters:
                source = node.source(name)
                arrays.sinks[name] = self._sink(source, left[source] == whole[source], left[source] == 1)
                left[source] -= 1
            views.backward.append((layer, arrays, sums(place)))
        views.heads.extend(map(gradient, backward.heads, self.graph.heads))
        views.head_sums.extend(sums(LOSSES))
        if self._input_gradient:
            views.input_gradient = gradient(backward.outputs[SAMPLES], SAMPLES)

    def _node_arrays(self, place: int, samples: int) -> Arrays:
        node = self.graph.nodes[place]
        specs = node.layer.saved(node.inputs)
        return Arrays(
            inputs=tuple(self._output(source)[:samples] for source in node.sources),
            output=self._outputs[place][:samples],
            parameters={name: self.parameters[node.source(name)] for name in node.parameters},
            saved={
                name: buffer if specs[name].per_batch else buffer[:samples]
                for name, buffer in self._saved[place].items()
            },
            key=self._keys[place],
            state={name: self.state[f"{node.name}/{name}"] for name in node.state},
            d_inputs=(None,) * len(node.sources),
            sinks=dict.fromkeys(node.parameters),
        )

    def _sink(self, source: str, first: bool, last: bool) -> Sink | None:
        """A parameter's sink for one of its users, the first or the last in the backward pass."""
        sink = self._sinks.get(source)
        return None if sink is None else sink._replace(kind=part(sink.kind, first, last))
