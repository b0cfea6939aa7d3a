"""Arrays that pretraining has kept, checked before kernels see their addresses: a checkpoint may come from anywhere."""

from dlcli.errors import CheckpointError
from dlcli.graph import Node
from dlcli.layers.base import Array, Shape
from dlcli.trained import Trained


def kept(trained: Trained, name: str, shape: Shape) -> Array:
    """What pretraining has kept under a name.

    Raises
    ------
    CheckpointError: it is missing, or of another shape than expected.
    """
    found = trained.models.get(name)
    if found is None:
        raise CheckpointError(f"{trained.path}: tensor {name!r} is missing")
    if found.shape != shape:
        raise CheckpointError(f"{trained.path}: tensor {name!r}: found {list(found.shape)}, expected {list(shape)}")
    return found


def kept_if_there(trained: Trained, name: str, shape: Shape) -> Array | None:
    """The same, but None where it is missing."""
    return kept(trained, name, shape) if name in trained.models else None


def sides(trained: Trained, node: Node) -> tuple[int, int]:
    """How many visible and hidden units a layer's machine has: the rows and columns of the layer's weights.

    So machines of layers upon each other fit each other as the layers do.

    Raises
    ------
    CheckpointError: the layer has no such weights.
    """
    spec = node.parameters.get("weights")
    if spec is None or len(spec.shape) != 2:
        raise CheckpointError(f"{trained.path}: {node.name} is no layer that could be pretrained as a machine")
    rows, columns = spec.shape
    return rows, columns
