"""Binary units."""

from typing import ClassVar, Literal

from dlcli.kernels import sampling
from dlcli.kernels.activation import SIGMOID
from dlcli.kernels.launch import Launch
from dlcli.layers.base import Array
from dlcli.pretrain.units.base import Units


class Binary(Units):
    """On with probability sigmoid(x), x being the total input, else off."""

    function: ClassVar[int] = SIGMOID

    type: Literal["binary"] = "binary"

    def draw(self, mean: Array, deviation: Array, states: Array, key: int, time: Array) -> list[Launch]:
        return sampling.binary.plan(key, time, mean, states)
