"""Contrastive divergence: the likelihood's gradient with the model's statistics taken from short or persistent chains.

CD-k (Hinton 2002) runs k Gibbs steps from the data; PCD (Tieleman 2008) goes on with chains of its own.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from dlcli.data.pipeline import BatchSource
from dlcli.layers.base import Array, ParameterSpec
from dlcli.optim.base import Optimiser
from dlcli.pretrain.boltzmann.learner import Learner
from dlcli.pretrain.boltzmann.monitor import Monitor
from dlcli.pretrain.boltzmann.rbm import Rbm, gibbs_keys
from dlcli.pretrain.boltzmann.statistics import Chains, Lasting, RbmStatistics, Reconstruction, Sinks, Sparsity


@dataclass(frozen=True)
class Names:
    """The names of an RBM's arrays in a checkpoint; ``node`` is its layer, ``prefix`` that of arrays of its own.

    ``owned``: whether the visible biases are the layer's.
    """

    node: str
    owned: bool = False

    @property
    def prefix(self) -> str:
        return f"{self.node}.rbm"

    @property
    def weights(self) -> str:
        return f"{self.node}/weights"

    @property
    def hidden_bias(self) -> str:
        return f"{self.node}/bias"

    @property
    def visible_bias(self) -> str:
        return f"{self.node if self.owned else self.prefix}/visible_bias"

    @property
    def log_variance(self) -> str:
        return f"{self.prefix}/log_variance"


class ContrastiveDivergence(Learner):
    """An RBM, its chains and an optimiser.

    Parameters
    ----------
    rbm: its arrays are changed in place.
    names, specs: of its weights, biases and log-variances.
    monitor: what else an epoch is to say.
    """

    def __init__(
        self,
        rbm: Rbm,
        names: Names,
        specs: dict[str, ParameterSpec],
        optimiser: Optimiser,
        chains: Chains,
        *,
        seed: int,
        sparsity: Sparsity | None = None,
        monitor: Monitor | None = None,
    ) -> None:
        arrays = {names.weights: rbm.weights, names.hidden_bias: rbm.hidden_bias, names.visible_bias: rbm.visible_bias}
        if rbm.log_variance is not None:
            arrays[names.log_variance] = rbm.log_variance
        super().__init__(arrays, specs, optimiser, names.node)
        self._rbm, self._names, self._chains = rbm, names, chains
        self._sparsity, self._monitor = sparsity, monitor
        units, dtype = rbm.weights.shape[1], rbm.weights.dtype
        self._lasting = Lasting(
            states=np.zeros((chains.persistent, units), dtype),
            activity=np.full(units, sparsity.target if sparsity else 0, dtype),
            time=np.zeros(1, np.int64),
            keys=gibbs_keys(seed, names.node),
        )
        self._reconstructions: dict[int, Reconstruction] = {}

    def prepare(self, samples: int) -> RbmStatistics:
        sinks, names = self.sinks, self._names
        own = Sinks(
            sinks[names.weights], sinks[names.hidden_bias], sinks[names.visible_bias], sinks.get(names.log_variance)
        )
        return RbmStatistics(self._rbm, samples, self._chains, self._lasting, own, self._sparsity)

    def evaluate(self, source: BatchSource, batch_size: int) -> dict[str, float]:
        """``loss``, ½ Σ_i (v_i − v'_i)² of the mean-field reconstruction, and what the monitor gives."""
        total = 0.0
        for batch in source.iterate(batch_size):
            n = len(batch.x)
            if n not in self._reconstructions:
                self._reconstructions[n] = Reconstruction(self._rbm, n)
            total += self._reconstructions[n].error(batch)
        found = {"loss": total / len(source)}
        return found | (self._monitor.held_out(source.x) if self._monitor else {})

    def watch(self) -> dict[str, float]:
        return self._monitor.training() if self._monitor else {}

    def tensors(self) -> dict[str, Array]:
        lasting = {"chains": self._lasting.states} if self._chains.persistent else {}
        lasting |= {"activity": self._lasting.activity} if self._sparsity else {}
        return super().tensors() | {f"{self._names.prefix}/{name}": array for name, array in lasting.items()}

    def kept(self) -> dict[str, Array]:
        """The whole machine: later stages change the network's weights, which are its own no more then."""
        rbm, prefix = self._rbm, self._names.prefix
        found = {"weights": rbm.weights, "bias": rbm.hidden_bias, "visible_bias": rbm.visible_bias}
        if rbm.log_variance is not None:
            found["log_variance"] = rbm.log_variance
        return {f"{prefix}/{name}": array.copy() for name, array in found.items()}

    def notes(self) -> dict[str, Any]:
        """The kinds of both sides' units, which may have been chosen by the data."""
        rbm = self._rbm
        units = {"visible": rbm.visible.model_dump(mode="json"), "hidden": rbm.hidden.model_dump(mode="json")}
        return {self._names.node: units}
