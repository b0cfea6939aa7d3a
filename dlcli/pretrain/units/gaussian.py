"""Gaussian units."""

from typing import Literal

from dlcli.kernels import sampling
from dlcli.kernels.launch import Launch
from dlcli.layers.base import Array
from dlcli.pretrain.units.base import Units


class Gaussian(Units):
    """Normal numbers about the total input; of variance 1, unless the visible side learns it.

    With variances σ_i² the machine is that of K. Cho, A. Ilin, T. Raiko, "Improved learning of Gaussian-Bernoulli
    restricted Boltzmann machines" (2011): E = Σ_i (v_i − b_i)² / 2σ_i² − Σ_j c_j h_j − Σ_ij (v_i / σ_i²) w_ij h_j.
    """

    type: Literal["gaussian"] = "gaussian"
    learn_variance: bool = False
    """Whether each visible unit's variance is learned (as log σ²); otherwise it is 1, which standardised data have."""

    def draw(self, mean: Array, deviation: Array, states: Array, key: int, time: Array) -> list[Launch]:
        return sampling.normal.plan(key, time, mean, deviation, states)
