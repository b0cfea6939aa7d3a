"""Learning of a general Boltzmann machine: the data's moments by mean field, the model's by persistent Gibbs chains.

T. Tieleman, "Training restricted Boltzmann machines using approximations to the likelihood gradient" (2008), and
R. Salakhutdinov, G. Hinton, "Deep Boltzmann machines" (2009), section 2.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from dlcli import random
from dlcli.data.pipeline import Batch, BatchSource
from dlcli.kernels import gibbs
from dlcli.layers.base import Array, ParameterSpec
from dlcli.optim.base import Optimiser
from dlcli.optim.schedules.base import Clock
from dlcli.pretrain.boltzmann.clamped import Averages, Clamped
from dlcli.pretrain.boltzmann.energy import sigmoid
from dlcli.pretrain.boltzmann.exact import MOST_UNITS
from dlcli.pretrain.boltzmann.learner import run
from dlcli.pretrain.boltzmann.machine import Enumeration, Machine, Moments, Posterior, posterior
from dlcli.training.objective import Objective, StepResult

QUIETLY = np.errstate(over="ignore", invalid="ignore")  # what is no longer finite is met as divergence


@dataclass(frozen=True)
class Phases:
    """How the two kinds of moments are taken.

    mean_field_steps, damping: see `Clamped`. chains, sweeps: persistent chains, and sweeps of each per update.
    exact: sums over all hidden states instead of mean field, and over all states instead of chains where there are at
    most `MOST_UNITS` units.
    """

    mean_field_steps: int
    damping: float
    chains: int
    sweeps: int
    exact: bool


@dataclass(frozen=True)
class Pieces:
    """The machine's parameters as the network and a checkpoint have them; None: not there, which is to say 0.

    visible_bias: (visible,). visible_lateral: (visible, visible). weights: (visible, hidden). hidden_bias: (hidden,).
    hidden_lateral: (hidden, hidden). Lateral couplings are symmetric, with zeros on the diagonal.
    """

    visible_bias: Array
    visible_lateral: Array | None = None
    weights: Array | None = None
    hidden_bias: Array | None = None
    hidden_lateral: Array | None = None

    def there(self) -> dict[str, Array]:
        """Those that are there, by their names above."""
        return {name: array for name, array in vars(self).items() if array is not None}

    def join(self) -> Machine:
        """The machine that they make up.

        Raises
        ------
        ValueError: their shapes do not fit each other.
        """
        visible = len(self.visible_bias)
        units = visible + (0 if self.hidden_bias is None else len(self.hidden_bias))
        dtype = self.visible_bias.dtype
        machine = Machine(np.zeros((units, units), dtype), np.zeros(units, dtype), visible)
        self.copy_to(machine)
        return machine

    def copy_to(self, machine: Machine) -> None:
        """Bring their machine up to date: an optimiser, or a checkpoint, has changed them."""
        found = places(machine, Moments(machine.couplings, machine.bias))
        for name, array in self.there().items():
            found[name][...] = array
        if self.weights is not None:
            machine.couplings[machine.visible :, : machine.visible] = self.weights.T


def places(of: Machine, moments: Moments) -> dict[str, Array]:
    """Where each of the `Pieces` stands among couplings and biases, or their gradients: views, by name."""
    v, h = slice(0, of.visible), slice(of.visible, None)
    second, first = moments
    return {
        "visible_bias": first[v],
        "visible_lateral": second[v, v],
        "weights": second[v, h],
        "hidden_bias": first[h],
        "hidden_lateral": second[h, h],
    }


class MachineLearning(Objective):
    """A general Boltzmann machine, its chains and an optimiser.

    The loss is −log p(v), exact, where all sums are; else the cross-entropy of each visible unit given all other units,
    the hidden ones at their means: without hidden units, −log of the pseudo-likelihood.

    Parameters
    ----------
    pieces: the parameters, changed in place.
    names: the name in a checkpoint of each of those that are there.
    specs: of all of these, by the names in a checkpoint.
    optimiser: how gradients change parameters.
    phases: see `Phases`.
    own: prefix of what belongs to the machine and not to the network.
    layer: its name, for reports.
    seed: of the chains.
    """

    def __init__(
        self,
        pieces: Pieces,
        names: Mapping[str, str],
        specs: Mapping[str, ParameterSpec],
        optimiser: Optimiser,
        phases: Phases,
        *,
        own: str,
        layer: str,
        seed: int,
    ) -> None:
        self._phases, self._own, self._layer = phases, own, layer
        self._names, self._pieces = dict(names), pieces
        self._arrays = {names[piece]: array for piece, array in pieces.there().items()}
        self._updater = optimiser.updater(self._arrays, specs, stored=self._arrays)
        self._machine = pieces.join()
        self._steps = 0 if pieces.hidden_lateral is None else phases.mean_field_steps  # else the first is exact
        self._exact = phases.exact and len(self._machine.bias) <= MOST_UNITS
        self._time = np.zeros(1, np.int64)
        self._chains = self._begin_chains(seed)
        machine = self._machine
        arguments = (machine.couplings, machine.bias, phases.sweeps, self._chains)
        self._sweeps = gibbs.sweeps.plan(random.key(seed, "gibbs", own), self._time, *arguments)
        self._model = Enumeration(machine) if self._exact else Averages(self._chains)
        self._clamped: dict[int, Clamped] = {}  # by the mini-batch's size

    def _begin_chains(self, seed: int) -> Array:
        """Independent units, visible ones as their biases say."""
        rng = random.generator(seed, "chains", self._own)
        chains = 0 if self._exact else self._phases.chains
        uniform = rng.random((chains, len(self._machine.bias)))
        return (uniform < sigmoid(self._machine.bias)).astype(self._machine.bias.dtype)

    @property
    def learning_rate(self) -> float:
        return self._updater.learning_rate

    @QUIETLY
    def step(self, batch: Batch, clock: Clock) -> StepResult:
        self._updater.begin(clock)
        self._pieces.copy_to(self._machine)
        clamped = self._hold(batch)
        found, log_z = self._infer(clamped), self._log_partition()
        data = clamped.moments() if found is None else found.moments
        total = float(np.add.reduce(self._losses(clamped, found))) + len(batch.x) * log_z
        if math.isfinite(total):
            self._learn(data, self._model_moments(clock, log_z))
        return StepResult(total, None)

    @QUIETLY
    def evaluate(self, source: BatchSource, batch_size: int) -> dict[str, float]:
        self._pieces.copy_to(self._machine)
        total = 0.0
        for batch in source.iterate(batch_size):
            clamped = self._hold(batch)
            total += float(np.add.reduce(self._losses(clamped, self._infer(clamped))))
        return {"loss": total / len(source) + self._log_partition()}

    def tensors(self) -> dict[str, Array]:
        chains = {} if self._exact else {f"{self._own}/chains": self._chains}
        return self._arrays | self._updater.state | chains

    def kept(self) -> dict[str, Array]:
        """The whole machine: later stages change the network's weights, which are its own no more then."""
        layers = {f"{self._layer}/weights": f"{self._own}/weights", f"{self._layer}/bias": f"{self._own}/hidden_bias"}
        return {layers.get(name, name): array.copy() for name, array in self._arrays.items()}

    def first_bad_layer(self) -> str:
        return self._layer

    def _hold(self, batch: Batch) -> Clamped:
        """The batch in the visible units' places."""
        n = len(batch.x)
        if n not in self._clamped:
            self._clamped[n] = Clamped(self._machine, n, self._steps, self._phases.damping)
        self._clamped[n].hold(batch.x)
        return self._clamped[n]

    def _infer(self, clamped: Clamped) -> Posterior | None:
        """Write the hidden units' means; what else is known of them given the visible ones, where that is exact."""
        if not self._phases.exact:
            clamped.mean_field()
            return None
        found = posterior(self._machine, clamped.v)
        clamped.believe(found.means)
        return found

    def _log_partition(self) -> float:
        """log Z where it is part of the loss, else 0."""
        return self._model.log_partition() if isinstance(self._model, Enumeration) else 0.0

    def _model_moments(self, clock: Clock, log_z: float) -> Moments:
        """As the machine is now; ``log_z`` is what `_log_partition` has just given."""
        if isinstance(self._model, Enumeration):
            return self._model.moments(log_z)
        self._time[0] = clock.step * self._phases.sweeps
        run(self._sweeps)
        return self._model.take()

    def _losses(self, clamped: Clamped, found: Posterior | None) -> Array:
        """Each sample's loss, (N,) float64; without log Z where it is −log p(v)."""
        return clamped.cross_entropies() if found is None or not self._exact else -found.log_marginals

    def _learn(self, data: Moments, model: Moments) -> None:
        """Change the parameters by the moments' difference, for which the model's give their place."""
        np.subtract(model.second, data.second, out=model.second, casting="same_kind")
        np.subtract(model.first, data.first, out=model.first, casting="same_kind")
        np.fill_diagonal(model.second, 0)
        found = places(self._machine, model)
        for piece in self._pieces.there():
            self._updater.gradients[self._names[piece]][...] = found[piece]
        self._updater.finish()
