"""Options of layer-wise pretraining."""

from typing import Annotated

from pydantic import Field

from dlcli.optim.base import Optimiser
from dlcli.options import Also, Count, Listed, Options
from dlcli.pretrain.base import Method


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
