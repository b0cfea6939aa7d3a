"""An RBM of samples and class labels, as an output layer (Hinton et al. 2006; Larochelle and Bengio 2008)."""

from collections.abc import Sequence
from math import prod
from typing import Annotated, Literal

from dlcli.initialisers.base import Initialiser
from dlcli.initialisers.constant import Constant
from dlcli.initialisers.normal import Normal
from dlcli.kernels import activation as activations
from dlcli.kernels import class_energy as kernels
from dlcli.kernels import constants, dense
from dlcli.kernels.launch import Launch
from dlcli.kernels.sink import STORE
from dlcli.layers.base import Arrays, BufferSpec, Layer, MultiplierOptions, ParameterSpec, Shape, Sink, one_input
from dlcli.layers.elementwise import rows
from dlcli.layers.per_channel import settled
from dlcli.options import Also, Count


class ClassRbm(Layer):
    """y_k = −F(x, k), the negative free energy of the samples with class k, up to a constant; its softmax is p(k | x).

    The machine's visible units are the inputs x and a softmax group of the classes, its hidden units binary:
    y_k = d_k + Σ_j softplus(c_j + Σ_i x_i w_ij + u_kj).

    x: (N, …) with ``inputs`` values a sample. y: (N, classes). weights: (inputs + classes, units), the last rows u.
    bias: c (units,). visible_bias: (inputs + classes,), the last ones d; the first take part in generation alone.
    As the last layer it classifies; pretrained as an RBM with labels, it is the top of Hinton's generative DBN.
    """

    type: Literal["class_rbm"] = "class_rbm"
    units: Count
    """Number of hidden units."""
    classes: Count
    """Number of classes."""
    initialiser: Annotated[Initialiser, Also("initializer")] = Normal(deviation=0.01)
    """How the weights start."""
    bias_initialiser: Annotated[Initialiser, Also("bias_initializer")] = Constant(value=0.0)
    """How the biases of the hidden units start; visible ones start at 0."""
    weights_options: MultiplierOptions = MultiplierOptions()
    """Factors on the learning rate and the decay of the weights."""
    bias_options: MultiplierOptions = MultiplierOptions()
    """Factors on the learning rate and the decay of the biases."""

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        one_input(inputs)
        return (self.classes,)

    def parameters(self, inputs: Sequence[Shape]) -> dict[str, ParameterSpec]:
        visible = prod(one_input(inputs)) + self.classes
        return {
            "weights": ParameterSpec(
                (visible, self.units), self.initialiser, visible, self.units, self.weights_options
            ),
            "bias": ParameterSpec((self.units,), self.bias_initialiser, visible, self.units, self.bias_options),
            "visible_bias": ParameterSpec((visible,), Constant(value=0.0), self.units, visible, self.bias_options),
        }  # fmt: skip

    def saved(self, inputs: Sequence[Shape]) -> dict[str, BufferSpec]:
        visible = prod(one_input(inputs)) + self.classes
        return {
            "total": BufferSpec((self.units,)),
            "d_total": BufferSpec((self.units,)),
            "d_labels": BufferSpec((self.classes, self.units), per_batch=True),
            "d_visible": BufferSpec((visible,), per_batch=True),
        }

    def multiply_adds(self, inputs: Sequence[Shape]) -> int:
        return prod(one_input(inputs)) * self.units

    def forward(self, arrays: Arrays, training: bool, step: int) -> None:
        arrays.run("forward", lambda: self._plan_forward(arrays))

    def backward(self, arrays: Arrays) -> None:
        arrays.run("backward", lambda: self._plan_backward(arrays))

    def _plan_forward(self, arrays: Arrays) -> list[Launch]:
        x, total = rows(arrays.inputs[0]), arrays.saved["total"]
        weights, bias, visible_bias = (arrays.parameters[name] for name in ("weights", "bias", "visible_bias"))
        size = x.shape[1]
        return [
            *dense.forward.plan(x, weights[:size], bias, activations.LINEAR, total),
            *kernels.forward.plan(total, weights[size:], visible_bias[size:], arrays.output),
        ]

    def _plan_backward(self, arrays: Arrays) -> list[Launch]:
        x, dx, weights = rows(arrays.inputs[0]), arrays.d_inputs[0], arrays.parameters["weights"]
        total, d_total, d_labels = (arrays.saved[name] for name in ("total", "d_total", "d_labels"))
        size, sinks = x.shape[1], arrays.sinks
        plan = kernels.backward.plan(total, weights[size:], arrays.d_output, d_total, d_labels)
        if dx is not None:
            plan += dense.input_gradient.plan(d_total, weights[:size], rows(dx))
        if (sink := sinks["weights"]) is not None:
            plan += dense.weight_gradient.plan(x, d_total, *_part(sink, slice(None, size)))
            labels = _part(sink, slice(size, None))
            flat = labels._replace(target=labels.target.reshape(-1), velocity=labels.velocity.reshape(-1))
            plan += settled(d_labels.reshape(1, -1), [flat])
        if (sink := sinks["bias"]) is not None:
            plan += dense.column_sums.plan(d_total, *sink)
        d_visible, nothing = arrays.saved["d_visible"], constants.zeros(total.dtype, 3)  # its first part stays 0
        plan += dense.column_sums.plan(arrays.d_output, STORE, d_visible[size:], d_visible[size:], nothing)
        return plan + settled(d_visible[None], [sinks["visible_bias"]])


def _part(sink: Sink, which: slice) -> Sink:
    """A sink for some rows of a parameter."""
    return sink._replace(target=sink.target[which], velocity=sink.velocity[which])
