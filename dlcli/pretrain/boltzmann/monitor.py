"""How well an RBM of binary hidden units has learned, beside its reconstruction error."""

import numpy as np

from dlcli.layers.base import Array
from dlcli.pretrain.boltzmann.energy import (
    Parameters,
    chosen_bits,
    estimated_pseudo_log_likelihood,
    free_energy,
)
from dlcli.pretrain.boltzmann.rbm import Rbm
from dlcli.pretrain.units.binary import Binary
from dlcli.pretrain.units.gaussian import Gaussian

MOST = 2_000  # samples looked at, the first ones: an epoch should not be longer for being watched


class Monitor:
    """Numbers for each epoch.

    ``pseudo_log_likelihood``, of binary visible units: D log σ(F(v with one bit flipped) − F(v)), a mean over samples;
    the bit of each sample is always the same, so that epochs can be compared. ``free_energy_gap``: the mean free energy
    of held-out samples less that of training samples, which grows when the machine begins to overfit (Hinton 2010,
    section 6).
    """

    def __init__(self, rbm: Rbm, train: Array, seed: int) -> None:
        self._rbm, self._seed, self._train = rbm, seed, _first(train)

    def held_out(self, x: Array) -> dict[str, float]:
        """Both, on samples (N, …) that the machine does not learn from."""
        of, x = self._parameters(), _first(x)
        gap = float(free_energy(of, x).mean() - free_energy(of, self._train).mean())
        return self._pseudo_likelihood(of, x) | {"free_energy_gap": gap}

    def training(self) -> dict[str, float]:
        """The first, on training samples."""
        return self._pseudo_likelihood(self._parameters(), self._train)

    def _parameters(self) -> Parameters:
        rbm = self._rbm
        variances = None
        if isinstance(rbm.visible, Gaussian):
            variances = np.ones(len(rbm.visible_bias)) if rbm.log_variance is None else np.exp(rbm.log_variance)
        return Parameters(rbm.weights, rbm.visible_bias, rbm.hidden_bias, variances)

    def _pseudo_likelihood(self, of: Parameters, x: Array) -> dict[str, float]:
        if of.variances is not None:
            return {}
        bits = chosen_bits(of.visible, self._seed, 0, np.arange(len(x)))
        return {"pseudo_log_likelihood": float(estimated_pseudo_log_likelihood(of, x, bits).mean())}


def monitored(rbm: Rbm, train: Array, seed: int) -> Monitor | None:
    """A monitor of a machine, if its hidden units are binary, its visible ones binary or Gaussian, and none a label."""
    known = isinstance(rbm.visible, Binary | Gaussian) and isinstance(rbm.hidden, Binary)
    return Monitor(rbm, train, seed) if known and not rbm.labels else None


def _first(x: Array) -> Array:
    return x[:MOST].reshape(min(MOST, len(x)), -1)
