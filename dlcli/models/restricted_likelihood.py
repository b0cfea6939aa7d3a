"""The likelihood that a pretrained layer's RBM gives to data: exact where it is small, else by an estimate of log Z."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod

import numpy as np

from dlcli.data.pipeline import BatchSource
from dlcli.errors import UsageError
from dlcli.graph import SAMPLES, Node
from dlcli.layers.base import Array
from dlcli.network import Network
from dlcli.pretrain.boltzmann.ais import biases_of, estimate_log_partition, graded
from dlcli.pretrain.boltzmann.energy import Parameters, free_energy
from dlcli.pretrain.boltzmann.exact import MOST_UNITS, is_small, log_partition
from dlcli.pretrain.methods.rbm import HIDDEN
from dlcli.pretrain.options import PretrainOptions
from dlcli.pretrain.units.binary import Binary
from dlcli.pretrain.units.gaussian import Gaussian

BATCH = 100  # samples passed at once; no result depends on it
VISIBLE_BIAS, LOG_VARIANCE = "rbm/visible_bias", "rbm/log_variance"  # behind a layer's name, among what is kept


@dataclass(frozen=True)
class Likelihood:
    """What `measure` finds, in nats.

    log_likelihood: mean over the samples. low, high: the same with log(Ẑ ± 3σ) for log Ẑ, where log Z is estimated.
    log_partition: log Z. effective_chains: see `dlcli.pretrain.boltzmann.ais.Estimate`; None where log Z is exact.
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


def parameters_of(node: Node, models: Mapping[str, Array], options: PretrainOptions | None, seen: "Seen") -> Parameters:
    """The parameters of a layer's RBM that learned from the inputs ``seen``.

    Raises
    ------
    UsageError: its units are neither binary nor, on the visible side, Gaussian.
    """
    method = None if options is None else options.of(node.name).method
    hidden = getattr(method, "hidden", None) or HIDDEN.get(getattr(node.layer, "activation", ""))
    visible = getattr(method, "visible", None) or (Binary() if seen.in_range else Gaussian())
    if not isinstance(hidden, Binary) or not isinstance(visible, Binary | Gaussian):
        raise UsageError(
            f"the RBM of {node.name} has units over which no sum is known; expected binary hidden units and binary or "
            "gaussian visible ones"
        )
    bias = models[f"{node.name}.{VISIBLE_BIAS}"]
    log_variance = models.get(f"{node.name}.{LOG_VARIANCE}", np.zeros_like(bias))
    variances = np.exp(log_variance) if isinstance(visible, Gaussian) else None
    weights, hidden_bias = (models[f"{node.name}.rbm/{name}"] for name in ("weights", "bias"))
    return Parameters(weights, bias, hidden_bias, variances)


@dataclass(frozen=True)
class Seen:
    """What is to be known of a layer's inputs in training: their sum over the samples (visible,), how many samples,
    and whether all of the inputs are from 0 to 1.
    """

    total: Array
    samples: int
    in_range: bool

    @classmethod
    def of(cls, node: Node, network: Network, train: BatchSource) -> "Seen":
        total, in_range = np.zeros(prod(node.inputs[0])), True
        for x in inputs_of(node, network, train):
            total += x.sum(axis=0, dtype=np.float64)
            in_range = in_range and _in_range(x)
        return cls(total, len(train), in_range)


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
    of: Parameters, node: Node, network: Network, seen: Seen, source: BatchSource, annealing: Annealing
) -> Likelihood:
    """The mean log-likelihood of a source's samples.

    ``seen`` gives the base rates that the annealing starts from. Samples between 0 and 1 are taken as in
    `dlcli.pretrain.boltzmann.exact.log_likelihood`.

    Raises
    ------
    UsageError: binary units have samples beyond 0 and 1, or there are too many hidden units beside Gaussian ones.
    """
    if of.variances is not None and not is_small(of):
        found = f"{node.name} has {of.hidden} hidden units and gaussian visible ones"
        raise UsageError(f"{found}; expected {MOST_UNITS} at most, whose states can all be visited")
    total = 0.0
    for x in inputs_of(node, network, source):
        if of.variances is None and not _in_range(x):
            raise UsageError(f"found inputs of {node.name} that are not from 0 to 1; its RBM has binary units for them")
        total += float(free_energy(of, x).sum())
    free = total / len(source)
    if is_small(of):
        log_z = log_partition(of)
        return Likelihood(-free - log_z, -free - log_z, -free - log_z, log_z, None)
    base = biases_of(seen.total, seen.samples)
    betas = graded(annealing.steps)
    z = estimate_log_partition(of, base, betas=betas, chains=annealing.chains, seed=annealing.seed)
    return Likelihood(
        log_likelihood=-free - z.log_z,
        low=-free - z.high,
        high=-free - z.low,
        log_partition=z.log_z,
        effective_chains=z.effective_chains,
    )


def _in_range(x: Array) -> bool:
    return bool(x.min() >= 0 and x.max() <= 1)
