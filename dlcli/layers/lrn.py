"""Local response normalisation (Krizhevsky et al., NIPS 2012, section 3.3: AlexNet)."""

from collections.abc import Sequence
from typing import Annotated, Literal

from dlcli.kernels import response as kernels
from dlcli.layers.base import Arrays, Shape, one_input
from dlcli.layers.elementwise import Elementwise
from dlcli.options import Also, Count, NonNegative, Positive


class Lrn(Elementwise):
    """y_c = x_c / (k + a Σ_j x_j²)^β, the sum over n = `size` channels around c: n // 2 before it, the rest after.

    x, y: (N, …, C). Two conventions differ by a factor n: a = α (`paper`: Krizhevsky et al., TensorFlow) or a = α / n
    (`caffe`: Caffe, PyTorch). AlexNet's paper has k = 2; Caffe's model of it has k = 1, the default here. At the
    edges channels that don't exist count as zeros.
    """

    type: Literal["lrn"] = "lrn"
    also_called = ("local_response_normalisation", "local_response_normalization")
    size: Annotated[Count, Also("n")] = 5
    """n, how many channels are in a sum."""
    alpha: NonNegative = 1e-4
    """α, weight of the sum of squares."""
    beta: Positive = 0.75
    """β, exponent of the divisor; 0.75 and 0.5 are the fast ones."""
    k: Positive = 2.0
    """k, what is added to the sum."""
    convention: Literal["paper", "caffe"] = "paper"
    """Whether the sum has the weight α (`paper`) or α / n (`caffe`)."""

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        return one_input(inputs)

    def forward(self, arrays: Arrays, training: bool, step: int) -> None:
        x, y = arrays.inputs[0], arrays.output
        arrays.run("forward", lambda: kernels.forward.plan(x, self.size, self._weight(), self.beta, self.k, y))

    def backward(self, arrays: Arrays) -> None:
        x, dy, dx = arrays.inputs[0], arrays.d_output, arrays.d_inputs[0]
        if dx is not None:
            arrays.run(
                "backward", lambda: kernels.backward.plan(x, dy, self.size, self._weight(), self.beta, self.k, dx)
            )

    def _weight(self) -> float:
        return self.alpha if self.convention == "paper" else self.alpha / self.size
