"""The whole of a config file, typed: what every command works from."""

from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from dlcli.config.consistency import misfits
from dlcli.data.options import DataOptions
from dlcli.layers.base import Element
from dlcli.losses.base import Loss
from dlcli.optim.base import Optimiser
from dlcli.options import Also, Listed, Options
from dlcli.pretrain.options import PretrainOptions, inherit, key_of
from dlcli.training.options import OutputOptions, TrainingOptions


class Experiment(Options):
    """A dlcli config."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
    """Name of the experiment and of its run directory: letters, digits, `.`, `_`, `-`."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 1
    """Seed of everything random: initial weights, batch order, dropout, corruption."""
    data: DataOptions
    """The samples: where they come from, how they are split, batched and transformed."""
    network: Annotated[tuple[Element, ...], Listed, Field(min_length=1)]
    """Layers, and blocks that stand for several: a chain from the samples up, unless `inputs` make it a graph."""
    loss: Loss | None = None
    """What training makes small."""
    losses: Annotated[tuple[Loss, ...], Listed] = ()
    """Several losses in place of one: training makes their weighted sum small. The first is the main one: errors,
    predictions and evaluation are its head's, and the others serve training alone."""
    pretrain: PretrainOptions | None = None
    """Layer-wise pretraining before the supervised stage."""
    optimiser: Annotated[Optimiser, Also("optimizer", "sgd")]
    """How gradients change parameters."""
    freeze: Annotated[tuple[str, ...], Listed] = ()
    """Layers, blocks or parameters that supervised training leaves as they are, by name; `*` and `?` stand for
    anything (`conv*`, `*/bias`)."""
    training: TrainingOptions = TrainingOptions()
    """The supervised stage."""
    output: OutputOptions = OutputOptions()
    """Where the run goes and what it keeps."""

    @model_validator(mode="before")
    @classmethod
    def _pretraining_inherits(cls, value: Any) -> Any:
        """Give `pretrain.optimiser` the top-level keys that it does not set itself, unless it is of another type.

        Under the key `sgd` it is `sgd`, whatever the top-level one is.
        """
        if not isinstance(value, dict) or not isinstance(value.get("pretrain"), dict):
            return value
        pretrain = value["pretrain"]
        outer, key = value.get(key_of(cls, value, "optimiser")), key_of(PretrainOptions, pretrain, "optimiser")
        inner = inherit(Optimiser, outer, pretrain.get(key, {}), "sgd" if key == "sgd" else None)
        return value | {"pretrain": pretrain | {key: inner}}

    @model_validator(mode="after")
    def _parts_agree(self) -> Self:
        for misfit in misfits(self):
            raise misfit
        return self

    @property
    def heads(self) -> tuple[Loss, ...]:
        """The losses, the main one first."""
        return self.losses if self.loss is None else (self.loss,)

    @property
    def main_loss(self) -> Loss:
        """The loss whose head gives errors and predictions."""
        return self.heads[0]
