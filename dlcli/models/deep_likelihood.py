"""The likelihood that a deep Boltzmann machine gives to data, at least: the bound that mean field gives.

R. Salakhutdinov, G. Hinton, "Deep Boltzmann machines" (2009), section 3.1.
"""

import numpy as np

from dlcli.data.pipeline import BatchSource
from dlcli.errors import UsageError
from dlcli.graph import Node
from dlcli.network import Network
from dlcli.pretrain.boltzmann.ais import biases_of, estimate_log_partition, graded
from dlcli.pretrain.boltzmann.dbm import Dbm
from dlcli.pretrain.boltzmann.dbm_bound import bipartite, bound, mean_field
from dlcli.pretrain.boltzmann.exact import is_small, log_partition
from dlcli.pretrain.boltzmann.likelihood import Annealing, Likelihood, inputs_of

STEPS, TOLERANCE = 50, 1e-4  # of mean field: the bound no longer changes visibly


def measure_bound(of: Dbm, node: Node, network: Network, source: BatchSource, annealing: Annealing) -> Likelihood:
    """The mean over a source's samples of the bound on log p(v); log Z is exact where one of the sides is small.

    ``node`` is the first of the machine's layers. The annealing starts from the odd layers' mean activities.

    Raises
    ------
    UsageError: samples are not from 0 to 1.
    """
    total, visible = 0.0, len(of.biases[0])
    activity = [np.zeros(len(bias)) for bias in of.biases[1::2]]
    for x in inputs_of(node, network, source):
        v = x[:, :visible]  # a layer after a `mean_field` layer takes the posterior's means too
        if not (v.min() >= 0 and v.max() <= 1):
            raise UsageError(
                f"found inputs of {node.name} that are not from 0 to 1; its machine has binary units for them"
            )
        found = mean_field(of, v, STEPS, TOLERANCE)
        total += float(bound(of, v, found, 0.0).sum())
        for counts, means in zip(activity, found.means[::2], strict=True):
            counts += means.sum(axis=0)
    mean, sides = total / len(source), bipartite(of)
    if is_small(sides):
        log_z = log_partition(sides)
        return Likelihood(mean - log_z, mean - log_z, mean - log_z, log_z, None)
    base, betas = biases_of(np.concatenate(activity), len(source)), graded(annealing.steps)
    z = estimate_log_partition(sides, base, betas=betas, chains=annealing.chains, seed=annealing.seed)
    return Likelihood(mean - z.log_z, mean - z.high, mean - z.low, z.log_z, z.effective_chains)
