"""The idea of a pretraining method."""

from abc import abstractmethod
from typing import ClassVar

from dlcli.graph import Node
from dlcli.layers.base import Array
from dlcli.network import Network
from dlcli.optim.base import Optimiser
from dlcli.options import Family
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

        Raises
        ------
        MisfitError: the method cannot represent such inputs.
        """
