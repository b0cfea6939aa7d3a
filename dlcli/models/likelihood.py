"""The likelihood that a trained machine gives to data: an RBM, a deep Boltzmann machine, or a small general one."""

from typing import Any, NamedTuple

from dlcli.data.options import Split
from dlcli.data.pipeline import BatchSource
from dlcli.errors import UsageError
from dlcli.graph import SAMPLES, Graph, Node
from dlcli.models.deep_boltzmann import dbm_nodes, dbm_of
from dlcli.models.features import chosen_layer
from dlcli.models.general_boltzmann import machine_nodes, machine_of
from dlcli.pretrain.boltzmann import likelihood as restricted
from dlcli.pretrain.boltzmann.deep_likelihood import measure_bound
from dlcli.pretrain.boltzmann.exact import MOST_UNITS
from dlcli.pretrain.boltzmann.likelihood import Annealing, Likelihood
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
    if layer not in (None, nodes[-1].name):
        raise UsageError(f"found layer {layer}, expected {nodes[-1].name}: a deep Boltzmann machine is one whole")
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
    inputs = restricted.inputs_of(node, trained.network, source)
    mean = sum(float(log_marginals(machine, x).sum()) for x in inputs) / len(source)
    log_z = log_partition(machine)
    return _Found(node, Likelihood(mean - log_z, mean - log_z, mean - log_z, log_z, None))


def _restricted(trained: Trained, source: BatchSource, layer: str | None, annealing: Annealing) -> _Found:
    network, models = trained.network, trained.models
    node = restricted.chosen_layer(network, models, layer)
    seen = restricted.Seen.of(node, network, own_data(trained, "train")[1])
    of = restricted.parameters_of(node, models, trained.experiment.pretrain, seen)
    return _Found(node, restricted.measure(of, node, network, seen, source, annealing))
