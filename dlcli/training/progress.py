"""Where training stands: everything that a checkpoint needs beside arrays."""

from dataclasses import asdict, dataclass, field
from typing import Any

from dlcli.optim.schedules.base import Clock
from dlcli.training.options import StopEarly

Row = dict[str, Any]  # one object of metrics.jsonl


@dataclass
class Progress:
    """The stage under way and those before it.

    ``step`` counts the stage's mini-batches; ``loss``, ``wrong`` (None without classes), ``samples`` and ``counted``
    (samples that ``wrong`` is out of) sum over the epoch under way; ``learning_rate`` is that of the last step;
    ``history`` has a row for each finished epoch of the stage; ``best`` is the lowest value so far of the metric
    that chooses the best checkpoint; ``steps_before`` counts the steps of finished stages; ``parts`` are sums over
    the epoch under way, too, of each of several losses.
    """

    stage: str = ""
    step: int = 0
    loss: float = 0.0
    wrong: int | None = None
    samples: int = 0
    learning_rate: float = 0.0
    history: list[Row] = field(default_factory=list)
    best: float | None = None
    finished: list[str] = field(default_factory=list)
    steps_before: int = 0
    counted: int = 0
    parts: dict[str, float] = field(default_factory=dict)

    def begin(self, stage: str) -> None:
        """Begin a stage at its first step."""
        self.steps_before += self.step
        self.stage, self.step, self.history, self.best = stage, 0, [], None
        self.clear_sums()

    def finish(self) -> None:
        """Record that the stage is done; its history stays until the next begins."""
        if self.stage not in self.finished:
            self.finished.append(self.stage)

    def clear_sums(self) -> None:
        self.loss, self.wrong, self.samples, self.counted = 0.0, None, 0, 0
        self.parts = {}

    def clock(self, steps_per_epoch: int, epochs: int) -> Clock:
        return Clock(self.step, steps_per_epoch, epochs, tuple(self.history))

    @property
    def total_steps(self) -> int:
        """Steps of all stages so far: what checkpoints are numbered by."""
        return self.steps_before + self.step

    def record(self) -> dict[str, Any]:
        """As JSON can keep it; floats survive bit for bit."""
        return asdict(self)

    @classmethod
    def of(cls, record: dict[str, Any]) -> "Progress":
        return cls(**{"counted": record["samples"], **record})  # earlier files have no such key


def stops_early(options: StopEarly | None, history: list[Row]) -> bool:
    """Whether the metric has not improved for `patience` epochs: a function of the history alone."""
    if options is None:
        return False
    best, waited = float("inf"), 0
    for row in history:
        value = row[options.metric]
        if value < best - options.minimum_change:
            best, waited = value, 0
        else:
            waited += 1
    return waited >= options.patience
