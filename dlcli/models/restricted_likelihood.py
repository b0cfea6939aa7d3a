"""The likelihood that the RBM of a layer gives to data: exact where it is small, else by an estimate of log Z."""

from math import prod

import numpy as np

from dlcli.data.pipeline import BatchSource
from dlcli.errors import UsageError
from dlcli.graph import Node
from dlcli.models.features import inputs_of
from dlcli.models.partition import Annealing, Likelihood, normalised
from dlcli.network import Network
from dlcli.pretrain.boltzmann.energy import Parameters
from dlcli.pretrain.boltzmann.exact import MOST_UNITS, is_small, log_likelihood
from dlcli.pretrain.boltzmann.rbm import Rbm
from dlcli.pretrain.units.binary import Binary
from dlcli.pretrain.units.gaussian import Gaussian


def parameters_of(rbm: Rbm, name: str) -> Parameters:
    """The parameters of an RBM as its energies take them; ``name`` is its layer's.

    Raises
    ------
    UsageError: its units are neither binary nor, on the visible side, Gaussian.
    """
    if not isinstance(rbm.hidden, Binary) or not isinstance(rbm.visible, Binary | Gaussian):
        raise UsageError(
            f"the RBM of {name} has units over which no sum is known; expected binary hidden units and binary or "
            "gaussian visible ones"
        )
    size = len(rbm.weights) - rbm.labels
    variances = None
    if isinstance(rbm.visible, Gaussian):
        variances = np.ones(size) if rbm.log_variance is None else np.exp(np.float64(rbm.log_variance))
    labels = (rbm.weights[size:], rbm.visible_bias[size:]) if rbm.labels else (None, None)
    return Parameters(rbm.weights[:size], rbm.visible_bias[:size], rbm.hidden_bias, variances, *labels)


def measure(
    of: Parameters, node: Node, network: Network, train: BatchSource, source: BatchSource, annealing: Annealing
) -> Likelihood:
    """The mean log-likelihood of a source's samples; classes, of an RBM with labels, are summed out.

    ``train`` gives the base rates that the annealing starts from. Samples between 0 and 1 are taken as in
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
        if of.variances is None and not (x.min() >= 0 and x.max() <= 1):
            raise UsageError(f"found inputs of {node.name} that are not from 0 to 1; its RBM has binary units for them")
        total += float(log_likelihood(of, x, 0.0).sum())
    activity = np.zeros(prod(node.inputs[0]))
    for x in inputs_of(node, network, train) if not is_small(of) else ():
        activity += x.sum(axis=0, dtype=np.float64)
    return normalised(total / len(source), of, annealing, activity, len(train))
