"""What small machines' distributions give, by sums over all their states at once."""

import numpy as np

from dlcli.pretrain.boltzmann.dbm import Dbm
from dlcli.pretrain.boltzmann.dbm_bound import bipartite
from dlcli.pretrain.boltzmann.energy import Parameters, free_energy
from dlcli.pretrain.boltzmann.exact import log_partition
from tests.pretrain.boltzmann.small import binary


def joint_probabilities(of: Parameters):
    """p(v, h), (2^visible, 2^hidden), in the order of `binary`."""
    v, h = np.array(binary(of.visible)), np.array(binary(of.hidden))
    weights = np.exp((v @ of.visible_bias)[:, None] + h @ of.hidden_bias + v @ of.weights @ h.T)
    return weights / weights.sum()


def likelihood_gradient(of: Parameters, data) -> Parameters:
    """Of the mean log-likelihood of the data (N, visible): ⟨vh⟩ of the data less that of the model, and so on."""
    joint, v, h = joint_probabilities(of), np.array(binary(of.visible)), np.array(binary(of.hidden))
    means = 1 / (1 + np.exp(-(of.hidden_bias + data @ of.weights)))
    return Parameters(
        data.T @ means / len(data) - v.T @ joint @ h,
        data.mean(axis=0) - joint.sum(axis=1) @ v,
        means.mean(axis=0) - joint.sum(axis=0) @ h,
    )


def pseudo_log_likelihood(of: Parameters, v):
    """Σ_i log p(v_i | all other v), (N,): every bit is flipped in turn."""
    total = np.zeros(len(v))
    for bit in range(of.visible):
        flipped = v.copy()
        flipped[:, bit] = 1 - v[:, bit]
        total -= np.log1p(np.exp(free_energy(of, v) - free_energy(of, flipped)))
    return total


def deep_log_likelihood(of: Dbm, v, log_z: float):
    """log p(v), (N,): given v, the hidden layers, two or more, are another deep machine."""
    rest = [Dbm(of.weights[1:], (of.biases[1] + row @ of.weights[0], *of.biases[2:])) for row in np.asarray(v)]
    return v @ of.biases[0] + np.array([log_partition(bipartite(machine)) for machine in rest]) - log_z
