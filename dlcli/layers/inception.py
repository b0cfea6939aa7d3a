"""GoogLeNet's inception module (Szegedy et al., "Going deeper with convolutions", 2014, fig. 2(b))."""

from typing import Annotated, Literal

from dlcli.initialisers.base import Initialiser
from dlcli.initialisers.constant import Constant
from dlcli.layers.base import Activation, Block, MultiplierOptions, Part
from dlcli.layers.concat import Concat
from dlcli.layers.conv2d import Conv2d
from dlcli.layers.max_pool2d import MaxPool2d
from dlcli.options import Also, Count


class Inception(Block):
    """Four paths side by side, joined along the channels; the image keeps its size.

    conv1x1 · reduce3x3 → conv3x3 · reduce5x5 → conv5x5 · pool → project, each convolution followed by the
    activation. Options are the columns of the paper's table 1.
    """

    type: Literal["inception"] = "inception"
    conv1x1: Count
    """Filters of 1 × 1 on the first path."""
    reduce3x3: Count
    """Filters of 1 × 1 before those of 3 × 3."""
    conv3x3: Count
    """Filters of 3 × 3."""
    reduce5x5: Count
    """Filters of 1 × 1 before those of 5 × 5."""
    conv5x5: Count
    """Filters of 5 × 5."""
    project: Count
    """Filters of 1 × 1 after the max pooling of 3 × 3."""
    activation: Activation = "relu"
    """Activation function of all convolutions."""
    initialiser: Annotated[Initialiser | None, Also("initializer")] = None
    """How the weights start; by default what suits the activation."""
    bias_initialiser: Annotated[Initialiser, Also("bias_initializer")] = Constant(value=0.0)
    """How the biases start."""
    weights_options: MultiplierOptions = MultiplierOptions()
    """Factors on the learning rate and the decay of the weights."""
    bias_options: MultiplierOptions = MultiplierOptions()
    """Factors on the learning rate and the decay of the biases."""

    def parts(self) -> list[Part]:
        pool = MaxPool2d(size=(3, 3), stride=(1, 1), padding="same")
        return [
            self._convolution("conv1x1", 1, "input"),
            self._convolution("reduce3x3", 1, "input"),
            self._convolution("conv3x3", 3, "reduce3x3"),
            self._convolution("reduce5x5", 1, "input"),
            self._convolution("conv5x5", 5, "reduce5x5"),
            Part(pool, "pool", ("input",)),
            self._convolution("project", 1, "pool"),
            Part(Concat(), "concat", ("conv1x1", "conv3x3", "conv5x5", "project")),
        ]

    def _convolution(self, name: str, size: int, given: str) -> Part:
        layer = Conv2d(
            filters=getattr(self, name),
            kernel_size=(size, size),
            padding="same",
            activation=self.activation,
            initialiser=self.initialiser,
            bias_initialiser=self.bias_initialiser,
            weights_options=self.weights_options,
            bias_options=self.bias_options,
        )
        return Part(layer, name, (given,))
