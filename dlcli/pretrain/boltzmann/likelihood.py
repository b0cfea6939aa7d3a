"""The likelihood that a pretrained layer's RBM gives to data: exact where it is small, else by an estimate of log Z."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from dlcli.data.pipeline import BatchSource
from dlcli.errors import UsageError
from dlcli.graph import SAMPLES, Node
from dlcli.layers.base import Array
from dlcli.network import Network
from dlcli.pretrain.boltzmann.ais import Estimate, biases_of, estimate_log_partition, graded
from dlcli.pretrain.boltzmann.energy import Parameters, free_energy
from dlcli.pretrain.boltzmann.exact import is_small, log_partition
from dlcli.pretrain.options import PretrainOptions

BATCH = 100  # samples passed at once; no result depends on it
VISIBLE_BIAS, LOG_VARIANCE = "rbm/visible_bias", "rbm/log_variance"  # behind a layer's name, among what is kept


@dataclass(frozen=True)
class Likelihood:
    """What `measure` finds, in nats.

    log_likelihood: mean over the samples. low, high: the same with log(Ẑ ± 3σ) for log Ẑ, where log Z is estimated.
    log_partition: log Z. effective_chains: see `Estimate`; None where log Z is exact.
    """

    log_likelihood: float
    low: float
    high: float
    log_partition: float
    effective_chains: float | None


@dataclass(frozen=True)
class Annealing:
    """How log Z is estimated: chains, steps of each, and the seed of their random numbers."""

    chains: int
    steps: int
    seed: int


def chosen_layer(network: Network, models: Mapping[str, Array], name: str | None = None) -> Node:
    """The layer of that name; by default the first one that has been pretrained as an RBM.

    Raises
    ------
    UsageError: it has no RBM, or none has.
    """
    there = [node for node in network.graph.nodes if f"{node.name}.{VISIBLE_BIAS}" in models]
    found = [node for node in there if name in (None, node.name)]
    if not found:
        names = ", ".join(node.name for node in there)
        expected = f"expected one of: {names}" if there else "expected a run whose pretraining has the method rbm"
        raise UsageError(f"{'no layer' if name is None else repr(name)} has been pretrained as an RBM; {expected}")
    return found[0]


def parameters_of(node: Node, network: Network, models: Mapping[str, Array], options: PretrainOptions) -> Parameters:
    """The parameters of a layer's RBM.

    Raises
    ------
    UsageError: its units are neither binary nor, on the visible side, Gaussian.
    """
    method = options.of(node.name).method
    visible, hidden = (getattr(getattr(method, side, None), "type", None) for side in ("visible", "hidden"))
    if hidden is None:
        hidden = "binary" if getattr(node.layer, "activation", None) == "sigmoid" else "other"
    if hidden != "binary" or visible not in (None, "binary", "gaussian"):
        raise UsageError(
            f"the RBM of {node.name} has units whose sums are not known; expected binary hidden units and binary or "
            "gaussian visible ones"
        )
    log_variance = models.get(f"{node.name}.{LOG_VARIANCE}")
    variances = np.exp(log_variance) if log_variance is not None else None
    bias = models[f"{node.name}.{VISIBLE_BIAS}"]
    if variances is None and visible == "gaussian":
        variances = np.ones_like(bias)
    return Parameters(
        network.parameters[node.source("weights")], bias, network.parameters[node.source("bias")], variances
    )


def inputs_of(node: Node, network: Network, source: BatchSource) -> Iterator[Array]:
    """What a layer takes, (n, visible) for each batch of a source; the next one overwrites it."""
    (place,) = node.sources
    for batch in source.iterate(BATCH):
        n, x = len(batch.x), batch.x
        if place != SAMPLES:
            network.forward(x)
            x = network.outputs(n)[network.graph.nodes[place].name]
        yield x.reshape(n, -1)


def measure(
    of: Parameters, node: Node, network: Network, train: BatchSource, source: BatchSource, annealing: Annealing
) -> Likelihood:
    """The mean log-likelihood of a source's samples.

    ``train`` gives the base rates that the annealing starts from. Samples between 0 and 1 are taken as in
    `dlcli.pretrain.boltzmann.exact.log_likelihood`.

    Raises
    ------
    UsageError: binary units have samples beyond 0 and 1, or the sum over Gaussian ones has too many hidden units.
    """
    total = 0.0
    for x in inputs_of(node, network, source):
        if of.variances is None and not (x.min() >= 0 and x.max() <= 1):
            raise UsageError(
                f"the inputs of {node.name} go from {x.min():g} to {x.max():g}; expected numbers from 0 to 1, or an "
                "RBM whose `visible` is gaussian"
            )
        total += float(free_energy(of, x).sum())
    free = total / len(source)
    if is_small(of):
        log_z = log_partition(of)
        return Likelihood(-free - log_z, -free - log_z, -free - log_z, log_z, None)
    if of.variances is not None:
        raise UsageError(
            f"{node.name} has {of.hidden} hidden units; expected 20 at most where visible ones are gaussian"
        )
    found = _anneal(of, node, network, train, annealing)
    return Likelihood(
        log_likelihood=-free - found.log_z,
        low=-free - found.high,
        high=-free - found.low,
        log_partition=found.log_z,
        effective_chains=found.effective_chains,
    )


def _anneal(of: Parameters, node: Node, network: Network, train: BatchSource, annealing: Annealing) -> Estimate:
    counts = np.zeros(of.visible)
    for x in inputs_of(node, network, train):
        counts += x.sum(axis=0, dtype=np.float64)
    base = biases_of(counts, len(train))
    betas = graded(annealing.steps)
    return estimate_log_partition(of, base, betas=betas, chains=annealing.chains, seed=annealing.seed)
