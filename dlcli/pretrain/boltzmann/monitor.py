"""How well an RBM of binary hidden units has learned, beside its reconstruction error."""

import numpy as np

from dlcli.layers.base import Array
from dlcli.pretrain.boltzmann.energy import (
    Parameters,
    chosen_bits,
    estimated_pseudo_log_likelihood,
    free_energy,
)
from dlcli.pretrain.boltzmann.rbm import Factors, Rbm
from dlcli.pretrain.units.binary import Binary
from dlcli.pretrain.units.gaussian import Gaussian

MOST = 2_000  # samples looked at, the first ones: an epoch should not be longer for being watched


class Monitor:
    """Numbers for each epoch.

    ``pseudo_log_likelihood``, of binary visible units: D log σ(F(v with one bit flipped) − F(v)), a mean over samples;
    the bit of each sample is always the same, so that epochs can be compared. ``free_energy_gap``: the mean free energy
    of held-out samples less that of training samples, which grows when the machine begins to overfit (Hinton 2010,
    section 6).

    Where `Factors` double inputs, both are of the machine that `whole` gives. Where it has the visible units twice, the
    samples are given to both, and the pseudo-log-likelihood is that of one of them, half of the machine's: of each unit
    given all others, among which its twin has its value. So it is nearer to 0 than an ordinary RBM's would be.
    """

    def __init__(self, rbm: Rbm, train: Array, seed: int) -> None:
        self._rbm, self._seed, self._train = rbm, seed, _first(train)

    def held_out(self, x: Array) -> dict[str, float]:
        """Both, on samples (N, …) that the machine does not learn from."""
        of, x = whole(self._rbm), _first(x)
        gap = float(free_energy(of, self._states(x)).mean() - free_energy(of, self._states(self._train)).mean())
        return self._pseudo_likelihood(of, x) | {"free_energy_gap": gap}

    def training(self) -> dict[str, float]:
        """The first, on training samples."""
        return self._pseudo_likelihood(whole(self._rbm), self._train)

    def _states(self, x: Array) -> Array:
        """x (N, visible), for every time that the machine has the visible units."""
        return np.tile(x, (1, copies(self._rbm.factors)[0]))

    def _pseudo_likelihood(self, of: Parameters, x: Array) -> dict[str, float]:
        if of.variances is not None:
            return {}
        bits, states = chosen_bits(of.visible, self._seed, 0, np.arange(len(x))), self._states(x)
        found = float(estimated_pseudo_log_likelihood(of, states, bits).mean())
        return {"pseudo_log_likelihood": found / copies(self._rbm.factors)[0]}


def copies(factors: Factors) -> tuple[int, int]:
    """How many times visible and hidden units stand in the machine that `whole` gives: once, or twice on one side."""
    common = min(factors)
    return round(factors.up / common), round(factors.down / common)


def whole(rbm: Rbm) -> Parameters:
    """The machine whose conditionals an RBM has, whatever its `Factors`.

    Both sides' inputs doubled are those of a machine with doubled weights. One side's alone are of none with these
    units; but hidden units get twice the input from visible ones that stand there twice, with the same weights and the
    same states, and the other way about (Salakhutdinov and Hinton 2009): that is this machine.
    """
    seen, hidden = copies(rbm.factors)
    variances = None
    if isinstance(rbm.visible, Gaussian):
        variances = np.tile(
            np.ones_like(rbm.visible_bias) if rbm.log_variance is None else np.exp(rbm.log_variance), seen
        )
    return Parameters(
        np.tile(min(rbm.factors) * rbm.weights, (seen, hidden)),
        np.tile(rbm.visible_bias, seen),
        np.tile(rbm.hidden_bias, hidden),
        variances,
    )


def monitored(rbm: Rbm, train: Array, seed: int) -> Monitor | None:
    """A monitor of a machine, if its hidden units are binary, its visible ones binary or Gaussian, and none a label."""
    known = isinstance(rbm.visible, Binary | Gaussian) and isinstance(rbm.hidden, Binary)
    return Monitor(rbm, train, seed) if known and not rbm.labels else None


def _first(x: Array) -> Array:
    return x[:MOST].reshape(min(MOST, len(x)), -1)
