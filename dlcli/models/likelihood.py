"""The likelihood that a trained machine gives to data: an RBM, a deep Boltzmann machine, or a small general one."""

from typing import Any, NamedTuple

from dlcli.data.options import Split
from dlcli.data.pipeline import BatchSource
from dlcli.errors import UsageError
from dlcli.graph import SAMPLES, Graph, Node
from dlcli.models.deep_boltzmann import check_uppermost, dbm_nodes, dbm_of
from dlcli.models.deep_likelihood import measure_bound
from dlcli.models.features import chosen_layer, inputs_of
from dlcli.models.general_boltzmann import machine_nodes, machine_of
from dlcli.models.partition import Annealing, Likelihood
from dlcli.models.restricted import rbm_nodes, rbm_of
from dlcli.models.restricted_likelihood import measure, parameters_of
from dlcli.pretrain.boltzmann.exact import MOST_UNITS
from dlcli.pretrain.boltzmann.machine import log_marginals, log_partition
from dlcli.trained import Trained, own_data


class _Found(NamedTuple):
    """A machine's uppermost layer, its likelihood, and whether that is a bound from below."""

    node: Node
    likelihood: Likelihood
    bound: bool = False


def likelihood(trained: Trained, split: Split | None, layer: str | None, *, chains: int, steps: int) -> dict[str, Any]:
    """What ``dlcli likelihood --json`` prints.

    Parameters
    ----------
    trained: the run.
    split: which part of its data, see `own_data`.
    layer: the machine's, by default the first that is found.
    chains, steps: of the annealing, where log Z has to be estimated.

    Raises
    ------
    UsageError: there is no such machine, or it is one whose likelihood cannot be had.
    CheckpointError: its arrays do not fit each other.
    """
    name = None if layer is None else chosen_layer(trained, layer).name
    split, source = own_data(trained, split)
    annealing = Annealing(chains, steps, trained.experiment.seed)
    node, found, bound = (
        _deep(trained, source, name, annealing)
        or _general(trained, source, name, annealing)
        or _restricted(trained, source, name, annealing)  # says what it has expected where there is none
    )
    exact, stage = found.effective_chains is None, trained.record["progress"]["stage"]
    return {
        "layer": node.name,
        "stage": stage,
        "inputs_changed": stage == "supervised" and not bound and _below(trained.network.graph, node),
        "split": split,
        "samples": len(source),
        "log_likelihood": found.log_likelihood,
        "bound": bound,
        "exact": exact,
        "interval": None if exact else [found.low, found.high],
        "log_partition": found.log_partition,
        "chains": None if exact else chains,
        "steps": None if exact else steps,
        "effective_chains": found.effective_chains,
    }


def _below(graph: Graph, node: Node) -> bool:
    """Whether layers with parameters stand below a layer."""
    return any(graph.nodes[place].parameters for place in graph.ancestors(s for s in node.sources if s != SAMPLES))


def _deep(trained: Trained, source: BatchSource, layer: str | None, annealing: Annealing) -> _Found | None:
    nodes = dbm_nodes(trained)
    if not nodes:
        return None
    check_uppermost(nodes, layer)
    measured = measure_bound(dbm_of(trained, nodes), nodes[0], trained.network, source, annealing)
    return _Found(nodes[-1], measured, bound=True)


def _general(trained: Trained, source: BatchSource, layer: str | None, annealing: Annealing) -> _Found | None:
    node = next((node for node in machine_nodes(trained) if layer in (None, node.name)), None)
    if node is None:
        return None
    machine = machine_of(trained, node)
    if len(machine.bias) > MOST_UNITS:
        found = f"the machine of {node.name} has {len(machine.bias)} units"
        raise UsageError(f"{found}; expected {MOST_UNITS} at most, whose states can all be visited")
    inputs = inputs_of(node, trained.network, source)
    mean = sum(float(log_marginals(machine, x).sum()) for x in inputs) / len(source)
    return _Found(node, Likelihood.exact(mean, log_partition(machine)))


def _restricted(trained: Trained, source: BatchSource, layer: str | None, annealing: Annealing) -> _Found:
    there = rbm_nodes(trained)
    node = next((node for node in there if layer in (None, node.name)), None)
    if node is None:
        names = ", ".join(node.name for node in [*there, *machine_nodes(trained)])
        found = f"layer {layer} has not" if layer else "no layer has"
        expected = (
            f"one of: {names}" if names else "a run whose pretraining has the method rbm, dbm or boltzmann_machine"
        )
        raise UsageError(f"{found} been pretrained as a Boltzmann machine; expected {expected}")
    of, (_, train) = parameters_of(rbm_of(trained, node), node.name), own_data(trained, "train")
    return _Found(node, measure(of, node, trained.network, train, source, annealing))
