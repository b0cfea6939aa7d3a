"""From unnormalised probabilities to a likelihood by log Z: exact where a machine has a small side, else estimated."""

from dataclasses import dataclass

from dlcli.layers.base import Array
from dlcli.pretrain.boltzmann.ais import biases_of, estimate_log_partition, graded
from dlcli.pretrain.boltzmann.energy import Parameters
from dlcli.pretrain.boltzmann.exact import is_small, log_partition


@dataclass(frozen=True)
class Likelihood:
    """Of a set of samples, in nats.

    log_likelihood: mean over the samples. low, high: the same with log(Ẑ ± 3σ) for log Ẑ, where log Z is estimated.
    log_partition: log Z. effective_chains: see `dlcli.pretrain.boltzmann.ais.Estimate`; None where log Z is exact.
    """

    log_likelihood: float
    low: float
    high: float
    log_partition: float
    effective_chains: float | None = None

    @classmethod
    def exact(cls, mean: float, log_z: float) -> "Likelihood":
        """``mean`` is that of the samples' log p*, which log Z makes a log-likelihood."""
        return cls(mean - log_z, mean - log_z, mean - log_z, log_z)


@dataclass(frozen=True)
class Annealing:
    """How log Z is estimated: chains, steps of each, and the seed of their random numbers."""

    chains: int
    steps: int
    seed: int


def normalised(mean: float, of: Parameters, annealing: Annealing, activity: Array, samples: int) -> Likelihood:
    """The likelihood of samples under an RBM.

    Parameters
    ----------
    mean: of the samples' log p*, or of a bound on it.
    of: the RBM.
    annealing: how log Z is estimated, where both sides have many units.
    activity, samples: sums of the visible units over so many samples, whose base rates the chains start from.
    """
    if is_small(of):
        return Likelihood.exact(mean, log_partition(of))
    base, betas = biases_of(activity, samples), graded(annealing.steps)
    z = estimate_log_partition(of, base, betas=betas, chains=annealing.chains, seed=annealing.seed)
    return Likelihood(mean - z.log_z, mean - z.high, mean - z.low, z.log_z, z.effective_chains)
