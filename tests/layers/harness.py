"""A layer driven as the network drives it: arrays allocated from what it declares, and handed in."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import yaml

from dlcli.kernels.sink import STORE
from dlcli.layers.base import Arrays, Layer, Sink
from dlcli.options import Options as Mapping
from tests.layers.case import Array, Options, Shape, Variant, split, spread


class Written(Mapping):
    """A config with one layer in it."""

    layer: Layer


def layer_of(options: Options) -> Layer:
    """The layer that these options make when they are written in YAML."""
    return Written.model_validate(yaml.safe_load(yaml.safe_dump({"layer": options}))).layer


class Driven:
    """A layer with its parameters.

    What the layer has to write is NaN before, so that what it leaves out shows; what it saves from the forward to
    the backward pass is zero at first, as the network promises. Its state is that of a layer in use, not the initial.
    """

    def __init__(self, layer: Layer, shapes: Sequence[Shape], dtype: Any = np.float64, seed: int = 0) -> None:
        self.layer, self.shapes, self.dtype = layer, shapes, np.dtype(dtype)
        self.parameters = {
            name: spread(spec.shape, seed + 100 + place, -0.7, 0.8).astype(dtype)
            for place, (name, spec) in enumerate(layer.parameters(shapes).items())
        }
        self.state = {
            name: spread(spec.shape, seed + 200 + place, 0.3, 0.9).astype(dtype)
            for place, (name, spec) in enumerate(layer.state(shapes).items())
        }
        self.sinks: dict[str, Sink] | None = None  # used, where they are set, instead of ones that store
        self.apart = 0  # numbers beside each row of the output, and of its gradient, where these are parts of others
        self._arrays: Arrays | None = None

    def forward(self, x: Array, *, training: bool = False, key: int = 1, step: int = 0) -> Array:
        saved = {
            name: np.zeros(spec.shape if spec.per_batch else (len(x), *spec.shape), spec.dtype or self.dtype)
            for name, spec in self.layer.saved(self.shapes).items()
        }
        output = self._part(np.full((len(x), *self.layer.output_shape(self.shapes)), np.nan, self.dtype))
        inputs = split(x, self.shapes)
        self._arrays = Arrays(inputs, output, self.parameters, saved, key, self.state)
        self.layer.forward(self._arrays, training, step)
        return output

    def more(self) -> list[Any]:
        """What else the naive layer takes: the shapes of several inputs, the state."""
        state = {name: array.astype(np.float64) for name, array in self.state.items()}
        return [*([self.shapes] if len(self.shapes) > 1 else []), *([state] if state else [])]

    def penalty(self) -> float:
        """Of the batch just passed forward."""
        assert self._arrays is not None
        return self.layer.penalty(self._arrays)

    def backward(
        self, cotangent: Array, *, input_gradient: bool = True, parameter_gradients: bool = True
    ) -> tuple[Array | None, dict[str, Array]]:
        """Of the batch just passed forward: the input's gradient, and each parameter's; those that are wanted."""
        arrays = self._arrays
        assert arrays is not None
        dx = tuple(np.full_like(x, np.nan) if input_gradient else None for x in arrays.inputs)
        gradients = {name: np.full_like(array, np.nan) for name, array in self.parameters.items()}
        arrays.d_output, arrays.d_inputs = self._part(cotangent.astype(self.dtype)), dx
        arrays.d_before = np.full_like(cotangent, np.nan, self.dtype) if self.apart else None
        arrays.sinks = self.sinks or {
            name: Sink(STORE, g, g, np.zeros(3, self.dtype)) if parameter_gradients else None
            for name, g in gradients.items()
        }
        self.layer.backward(arrays)
        return self._whole(dx) if input_gradient else None, gradients if parameter_gradients else {}

    def _part(self, array: Array) -> Array:
        """The same in the middle of a larger array, its rows apart."""
        sides = [(0, 0)] * (array.ndim - 1) + [(self.apart, self.apart)]
        return np.pad(array, sides)[..., self.apart : self.apart + array.shape[-1]]

    @staticmethod
    def _whole(parts: tuple[Array | None, ...]) -> Array | None:
        """Gradients of several inputs side by side, as x holds them."""
        if len(parts) == 1:
            return parts[0]
        return np.concatenate([part.reshape(len(part), -1) for part in parts if part is not None], axis=1)


def driven(variant: Variant, dtype: Any = np.float64, seed: int = 0) -> Driven:
    return Driven(layer_of(variant.options), variant.shapes, dtype, seed)


def batch(variant: Variant, samples: int, seed: int = 0, dtype: Any = np.float64) -> Array:
    return spread((samples, *variant.shape), seed, *variant.inputs).astype(dtype)
