"""Noisy rectified linear units."""

from typing import Literal

from dlcli.kernels import activation, sampling
from dlcli.kernels.launch import Launch
from dlcli.layers.base import Array
from dlcli.pretrain.units.base import Units


class Relu(Units):
    """States are max(0, x + N(0, sigmoid(x))), x being the total input; means are taken as max(0, x).

    V. Nair, G. Hinton, "Rectified linear units improve restricted Boltzmann machines" (2010): a unit stands for
    infinitely many binary ones that share weights, with biases that fall in steps.
    """

    type: Literal["relu"] = "relu"

    def means(self, mean: Array) -> list[Launch]:
        return activation.forward.plan(activation.RELU, mean, mean)

    def draw(self, mean: Array, deviation: Array, states: Array, key: int, time: Array) -> list[Launch]:
        return [*sampling.rectified.plan(key, time, mean, states), *self.means(mean)]
