"""Options of layer-wise pretraining, and the idea of a method."""

from abc import abstractmethod
from typing import Annotated, ClassVar

from pydantic import Field

from dlcli.graph import Node
from dlcli.layers.base import Array
from dlcli.network import Network
from dlcli.optim.base import Optimiser
from dlcli.options import Also, Count, Family, Listed, Options
from dlcli.training.objective import Objective


class Method(Family):
    """How one layer is pretrained."""

    package: ClassVar[str] = "dlcli.pretrain.methods"

    def check(self, node: Node) -> None:
        """Raise ValueError where the method cannot pretrain this layer."""

    @abstractmethod
    def objective(self, node: Node, network: Network, inputs: Array, optimiser: Optimiser) -> Objective:
        """What makes ``node``'s parameters, which are ``network``'s own arrays, represent its inputs.

        ``inputs`` (N, …) float32 are the training samples as the layers below pass them; the batches have them as
        targets too.
        """


class PretrainOptions(Options):
    """Greedy layer-wise pretraining, from the input up (survey, section 3.2)."""

    method: Method
    """How each layer is pretrained."""
    layers: Annotated[tuple[str, ...], Listed] | None = None
    """Names of the layers to pretrain, from the input up; by default every layer with weights that can be folded
    back, but the output layer."""
    epochs: Annotated[int, Field(ge=0)] = 10
    """Passes over the training set for each layer."""
    batch_size: Count | None = None
    """Samples in a mini-batch; by default that of `data`."""
    optimiser: Annotated[Optimiser, Also("optimizer", "sgd")]
    """The optimiser while pretraining; keys not given come from the top-level one."""
