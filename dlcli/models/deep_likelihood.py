"""The likelihood that a deep Boltzmann machine gives to data, at least: the bound that mean field gives.

R. Salakhutdinov, G. Hinton, "Deep Boltzmann machines" (2009), section 3.1.
"""

import numpy as np

from dlcli.data.pipeline import BatchSource
from dlcli.errors import UsageError
from dlcli.graph import Node
from dlcli.models.features import inputs_of
from dlcli.models.partition import Annealing, Likelihood, normalised
from dlcli.network import Network
from dlcli.pretrain.boltzmann.dbm import Dbm
from dlcli.pretrain.boltzmann.dbm_bound import bipartite, bound, mean_field

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
    return normalised(total / len(source), bipartite(of), annealing, np.concatenate(activity), len(source))
