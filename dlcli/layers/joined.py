"""What layers share that take several inputs of one shape."""

from collections.abc import Sequence

from dlcli.layers.base import Layer, Shape, ShapeError


class Joined(Layer):
    """A layer of two inputs or more, alike, and an output of their shape."""

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        if len(inputs) < 2:
            raise ShapeError(f"takes two inputs or more, found {len(inputs)}")
        if len(set(inputs)) > 1:
            raise ShapeError(f"takes inputs of one shape, found {', '.join(str(list(shape)) for shape in inputs)}")
        return inputs[0]
