"""What dense and convolution layers share: options of weights, bias and activation."""

from dlcli.initialisers.base import Initialiser
from dlcli.initialisers.constant import Constant
from dlcli.initialisers.glorot import Glorot
from dlcli.initialisers.he import He
from dlcli.initialisers.lecun import LeCun
from dlcli.kernels import activation as activations
from dlcli.kernels import bias as kernels
from dlcli.kernels.launch import Launch
from dlcli.layers.base import Activation, Array, Arrays, Layer, MultiplierOptions, ParameterSpec, Shape
from dlcli.options import Also, Annotated

DEFAULT_INITIALISERS: dict[Activation, Initialiser] = {
    "linear": Glorot(),
    "sigmoid": Glorot(gain=4.0),  # the slope of the sigmoid at 0 is a quarter of tanh's (Glorot and Bengio 2010)
    "tanh": Glorot(),
    "scaled_tanh": LeCun(),
    "relu": He(),
    "softplus": He(),
}


class Weighted(Layer):
    """A layer with weights (fan-in axes …, outputs), a bias per output and an activation function."""

    activation: Activation = "linear"
    """Activation function, applied to the sum of eq. (2)."""
    initialiser: Annotated[Initialiser | None, Also("initializer")] = None
    """How the weights start; by default what suits the activation: glorot, with gain 4 for sigmoid, lecun for
    scaled_tanh, he for relu and softplus."""
    bias: bool = True
    """Whether the layer has a bias."""
    bias_initialiser: Annotated[Initialiser, Also("bias_initializer")] = Constant(value=0.0)
    """How the bias starts."""
    weights_options: MultiplierOptions = MultiplierOptions()
    """Factors on the learning rate and the decay of the weights."""
    bias_options: MultiplierOptions = MultiplierOptions()
    """Factors on the learning rate and the decay of the bias."""

    def weight_specs(
        self, shape: Shape, fan_in: int, fan_out: int, bias_shape: Shape | None = None
    ) -> dict[str, ParameterSpec]:
        """The two parameters, for weights of ``shape``; there is a bias per output, unless ``bias_shape`` says more."""
        initialiser = self.initialiser or DEFAULT_INITIALISERS[self.activation]
        specs = {"weights": ParameterSpec(shape, initialiser, fan_in, fan_out, self.weights_options)}
        if self.bias:
            bias_shape = shape[-1:] if bias_shape is None else bias_shape
            specs["bias"] = ParameterSpec(bias_shape, self.bias_initialiser, fan_in, fan_out, self.bias_options)
        return specs

    def slopes_and_bias_gradient(self, arrays: Arrays) -> Array:
        """``d_output`` as (rows, outputs), turned into the gradient before the activation function, in place or in
        ``d_before``, with the bias's gradient on its way to its sink.
        """
        return slopes_and_bias_gradient(arrays, self.activation)


def slopes_and_bias_gradient(arrays: Arrays, activation: Activation) -> Array:
    """See `Weighted.slopes_and_bias_gradient`; in one pass over ``d_output``, where the bias has a sink."""
    arrays.run("slopes and bias", lambda: _plan_slopes_and_bias(arrays, activation))
    d = arrays.d_output if arrays.d_before is None else arrays.d_before
    return d.reshape(-1, d.shape[-1])


def _plan_slopes(arrays: Arrays, activation: Activation) -> list[Launch]:
    code, y, d = activations.CODES[activation], arrays.output, arrays.d_output
    if arrays.d_before is not None:
        return activations.backward_rows.plan(code, y, d, arrays.d_before)
    return activations.backward.plan(code, y, d, d)


def _plan_slopes_and_bias(arrays: Arrays, activation: Activation) -> list[Launch]:
    sink = arrays.sinks.get("bias")
    if sink is None:
        return _plan_slopes(arrays, activation)
    rows = (-1, arrays.parameters["bias"].size)
    y, d = arrays.output.reshape(rows), arrays.d_output.reshape(rows)
    apart = None if arrays.d_before is None else arrays.d_before.reshape(rows)
    return kernels.backward.plan(activations.CODES[activation], y, d, *sink, apart)
