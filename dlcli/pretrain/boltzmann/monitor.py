"""How well an RBM of binary units has learned, beside its reconstruction error."""

import numpy as np

from dlcli.data.pipeline import BatchSource
from dlcli.layers.base import Array
from dlcli.pretrain.boltzmann.energy import (
    Parameters,
    chosen_bits,
    estimated_pseudo_log_likelihood,
    free_energy,
)
from dlcli.pretrain.boltzmann.rbm import Rbm
from dlcli.pretrain.units.binary import Binary

MOST = 2_000  # samples looked at, the first ones: an epoch should not be longer for being watched


class Monitor:
    """Two numbers for each epoch, on held-out samples.

    ``pseudo_log_likelihood``: D log σ(F(v with one bit flipped) − F(v)), a mean over samples; the bit of each sample
    is always the same, so that epochs can be compared. ``free_energy_gap``: the mean free energy of held-out samples
    less that of training samples, which grows when the machine begins to overfit (Hinton 2010, section 6).
    """

    def __init__(self, rbm: Rbm, train: Array, seed: int) -> None:
        self._rbm, self._seed = rbm, seed
        self._train = _first(train)

    def __call__(self, source: BatchSource, batch_size: int) -> dict[str, float]:
        rbm, held_out = self._rbm, _first(source.x)
        of = Parameters(rbm.weights, rbm.visible_bias, rbm.hidden_bias)
        bits = chosen_bits(of.visible, self._seed, 0, np.arange(len(held_out)))
        return {
            "pseudo_log_likelihood": float(estimated_pseudo_log_likelihood(of, held_out, bits).mean()),
            "free_energy_gap": float(free_energy(of, held_out).mean() - free_energy(of, self._train).mean()),
        }


def monitored(rbm: Rbm, train: Array, seed: int) -> Monitor | None:
    """A monitor of a machine, if its units are binary and none is a label."""
    binary = isinstance(rbm.visible, Binary) and isinstance(rbm.hidden, Binary)
    plain = rbm.factors.up == rbm.factors.down == 1
    return Monitor(rbm, train, seed) if binary and plain and not rbm.labels else None


def _first(x: Array) -> Array:
    return x[:MOST].reshape(min(MOST, len(x)), -1)
