"""Fine-tuning: parameters taken from another network's checkpoint, layer by layer, and layers that stay as they are."""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from dlcli.errors import CheckpointError, MisfitError, UsageError
from dlcli.graph import Graph
from dlcli.network import Network
from dlcli.training.checkpoint import Checkpoint


def transfer(checkpoint: Checkpoint, path: Path, network: Network, replaced: Sequence[str] = ()) -> list[str]:
    """Copy the tensors of every layer that the checkpoint has under the same name; gives the mapping, line by line.

    Parameters
    ----------
    path: the checkpoint's, for messages.
    network: its parameters and state are overwritten; layers that the checkpoint does not have stay as they are.
    replaced: patterns (``*``, ``?``) of layers that stay as they are, too, whatever the checkpoint has.

    Raises
    ------
    CheckpointError: a layer's tensor has another shape, or no layer is found; nothing is copied then.
    UsageError: a pattern matches no layer.
    """
    for pattern in replaced:
        if not any(fnmatchcase(node.name, pattern) for node in network.graph.nodes):
            raise UsageError(f"found no layer {pattern!r} to replace; expected one of: {_names(network.graph)}")
    kept, new, taken = [], [], {}
    known = {_layer(name) for name in checkpoint.tensors}
    for name, array in network.tensors.items():
        layer, tensor = _layer(name), name.rpartition("/")[2]
        if any(fnmatchcase(layer, pattern) for pattern in replaced):
            kept.append(f"{layer}: replaced, starts anew")
        elif layer in known:
            found = checkpoint.tensors.get(name)
            if found is not None and found.shape != array.shape:
                raise CheckpointError(
                    f"{path}: layer {layer}: found {tensor} of shape {list(found.shape)}, expected "
                    f"{list(array.shape)}; give --replace {layer} where it is to start anew"
                )
            taken[name] = array
        else:
            new.append(f"{layer}: not in the checkpoint, starts anew")
    if not taken:
        raise CheckpointError(f"{path}: found none of the network's layers; expected some: {_names(network.graph)}")
    checkpoint.take(taken, path)
    mapping = dict.fromkeys([*(f"{_layer(name)}: from {path}" for name in taken), *kept, *new])
    own = checkpoint.record.get("parameters", ())  # earlier checkpoints don't say which of their tensors are layers'
    unused = {_layer(name) for name in own} - {node.name for node in network.graph.nodes}
    return [*mapping, *(f"{name}: not in the network, left out" for name in sorted(unused))]


def frozen(graph: Graph, patterns: Sequence[str]) -> frozenset[str]:
    """Names of the parameters that patterns (``*``, ``?``) of layers, or of parameters (``*/bias``), match.

    Raises
    ------
    MisfitError: a pattern matches nothing, or all of them leave nothing to train.
    """
    found: set[str] = set()
    for place, pattern in enumerate(patterns):
        matched = {name for name in graph.parameters if _matches(name, pattern)}
        if not matched:
            expected = f"expected a layer with weights ({_names(graph)}) or a parameter"
            raise MisfitError(("freeze", place), f"found {pattern!r}, which matches nothing; {expected}")
        found |= matched
    if patterns and found == set(graph.parameters):
        raise MisfitError(("freeze",), "nothing is left to train; expected that some layer is not frozen")
    return frozenset(found)


def _matches(parameter: str, pattern: str) -> bool:
    """A pattern names a parameter, its layer, or a block that the layer is in."""
    parts = parameter.split("/")
    return any(fnmatchcase("/".join(parts[:length]), pattern) for length in range(1, len(parts) + 1))


def _layer(tensor: str) -> str:
    """Name of the layer whose tensor it is."""
    return tensor.rpartition("/")[0]


def _names(graph: Graph) -> str:
    names = [node.name for node in graph.nodes if node.parameters]
    return f"{', '.join(names[:10])}{', …' if len(names) > 10 else ''}"
