"""What layers share that keep their input's shape and look at one value at a time."""

from collections.abc import Sequence

from dlcli.layers.base import Array, Layer, Shape, one_input


class Elementwise(Layer):
    """A layer whose output has its input's shape."""

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        return one_input(inputs)


def rows(array: Array) -> Array:
    """The array as (N, features)."""
    return array.reshape(len(array), -1)
