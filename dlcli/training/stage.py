"""A stage: one objective, its data, and how long it is trained."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from dlcli.data.pipeline import BatchSource
from dlcli.layers.base import Array
from dlcli.optim.schedules.base import Metric
from dlcli.training.objective import Objective
from dlcli.training.options import StopEarly

Models = Mapping[str, Array]  # what finished stages have kept, by name (see `Objective.kept`)


@dataclass(frozen=True)
class Stage:
    """What the loop runs.

    ``name`` is ``supervised`` or ``pretrain/<layer>``. ``best`` is the metric, lowest wins, by which the best
    checkpoint is chosen (None: none is).
    """

    name: str
    objective: Objective
    train: BatchSource
    validation: BatchSource | None
    epochs: int
    batch_size: int
    seed: int
    shuffle: bool = True
    stop_early: StopEarly | None = None
    best: Metric | None = None
    diagnostics: bool = False

    @property
    def steps_per_epoch(self) -> int:
        return -(-len(self.train) // self.batch_size)


@dataclass(frozen=True)
class Plan:
    """A stage to come; it is built when its turn comes, since its inputs are outputs of layers trained before."""

    name: str
    build: Callable[[Models], Stage]
