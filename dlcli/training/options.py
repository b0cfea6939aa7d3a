"""Options of the loop and of what it writes."""

from typing import Annotated

from pydantic import Field

from dlcli.optim.schedules.base import Metric
from dlcli.options import Count, Options


class StopEarly(Options):
    """When to stop before the last epoch."""

    patience: Count = 5
    """Epochs without improvement after which training stops."""
    metric: Metric = "validation_error"
    """What has to improve (fall)."""
    minimum_change: Annotated[float, Field(ge=0)] = 0.0
    """A fall of no more than this is no improvement."""


class TrainingOptions(Options):
    """The supervised training stage."""

    epochs: Annotated[int, Field(ge=0)] = 20
    """Passes over the training set; 0 writes the initial checkpoint and stops."""
    stop_early: StopEarly | None = None
    """Stop when a metric no longer improves; null trains all epochs."""
    best: Metric | None = None
    """Metric (lowest wins) that chooses the best checkpoint; by default that of `stop_early`, else the
    validation error (the loss, for a regression). Where nothing is held out, none: the last counts."""
    diagnostics: bool = False
    """Log each layer's gradient norm, weight norm and activity, once per epoch."""


class Interval(Options):
    """How often something is done."""

    epochs: Count | None = None
    """Every so many epochs."""
    steps: Count | None = None
    """Every so many steps."""


class OutputOptions(Options):
    """Where a run goes and what it keeps."""

    directory: str = "runs"
    """Folder in which the run directory, called by the config's name, is made."""
    checkpoint_every: Interval = Interval(epochs=1)
    """How often a checkpoint is written; one is always written at the end of a stage."""
    keep: Count = 2
    """Numbered checkpoints kept; the best one is exempt."""
