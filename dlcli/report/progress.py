"""Progress on stderr: a bar on a terminal, a plain line an epoch elsewhere, nothing when quiet.

None of it may stop training: what stderr does not take is lost.
"""

import os
import sys
from collections.abc import Mapping
from typing import Any, Self, TextIO

from tqdm import tqdm

from dlcli.report.table import number, percent

BAR = "{desc} {bar} {percentage:3.0f} %  {rate_fmt}  {remaining} left{postfix}"


class Quiet:
    """Shows nothing; a context that closes itself."""

    def stage(self, name: str, epochs: int, steps_per_epoch: int, samples: int) -> None:
        """A stage begins: ``epochs`` passes over ``samples`` samples."""

    def step(self, loss: float, samples: int) -> None:
        """A mini-batch is done; ``loss`` is the mean over its samples."""

    def epoch(self, metrics: Mapping[str, Any]) -> None:
        """An epoch is done; ``metrics`` is its row of metrics.jsonl."""

    def message(self, text: str) -> None:
        """Something that the user should know."""

    def close(self) -> None:
        """Nothing more will come."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Lines(Quiet):
    """One plain line for each stage, epoch and message."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = Tolerant(stream)
        self._stage, self._epochs = "", 0

    def stage(self, name: str, epochs: int, steps_per_epoch: int, samples: int) -> None:
        self._stage, self._epochs = name, epochs
        self.message(f"{name}: {epochs} epochs of {steps_per_epoch:,} steps, {samples:,} samples")

    def epoch(self, metrics: Mapping[str, Any]) -> None:
        own = metrics["stage"] == self._stage
        total = f"/{self._epochs}" if own else ""
        self.message(f"{metrics['stage']} {metrics['epoch']}{total}  {describe(metrics)}")

    def message(self, text: str) -> None:
        self._stream.write(text + "\n")
        self._stream.flush()


class _LossBar(tqdm):  # type: ignore[type-arg]  # at run time it takes no type
    """A bar that ends in the mean loss of the epoch so far, put into words only when it is shown."""

    loss, samples = 0.0, 0  # sums over the epoch

    @property
    def format_dict(self) -> Any:
        shown = {"postfix": f"loss {number(self.loss / self.samples)}"} if self.samples else {}
        return {**super().format_dict, **shown}


class Bar(Lines):
    """A bar for each stage with loss, speed and remaining time; the lines of its epochs stay above it."""

    _bar: _LossBar | None = None

    def stage(self, name: str, epochs: int, steps_per_epoch: int, samples: int) -> None:
        self.close()
        self._stage, self._epochs = name, epochs
        self._samples = samples
        tqdm.monitor_interval = 0  # no thread of its own
        self._bar = _LossBar(
            total=epochs * samples, desc=name, bar_format=BAR, unit=" samples", unit_scale=True, leave=False,
            dynamic_ncols=True, file=self._stream,
        )  # fmt: skip

    def step(self, loss: float, samples: int) -> None:
        if self._bar is not None:
            self._bar.loss += loss * samples
            self._bar.samples += samples
            self._bar.update(samples)

    def epoch(self, metrics: Mapping[str, Any]) -> None:
        super().epoch(metrics)
        if self._bar is None:
            return
        self._bar.loss, self._bar.samples = 0.0, 0
        if metrics["stage"] == self._stage:
            self._bar.n = metrics["epoch"] * self._samples  # a resumed stage does not begin at 0

    def message(self, text: str) -> None:
        if self._bar is None:
            super().message(text)
        else:
            self._bar.write(text, file=self._stream)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


class Tolerant:
    """A text stream whose failures are forgotten."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._works = True

    def write(self, text: str) -> None:
        self._try(self._stream.write, text)

    def flush(self) -> None:
        self._try(self._stream.flush)

    def _try(self, action: Any, *arguments: str) -> None:
        if self._works:
            try:
                action(*arguments)
            except (OSError, ValueError):  # ValueError: closed
                self._works = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def reporter(quiet: bool = False) -> Quiet:
    """What suits stderr, as it is."""
    if quiet:
        return Quiet()
    if sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        return Bar(sys.stderr)
    return Lines(sys.stderr)


def describe(metrics: Mapping[str, Any]) -> str:
    """A row of metrics.jsonl as a line of text."""
    parts = []
    for split in ("train", "validation", "test"):
        loss, error = metrics.get(f"{split}_loss"), metrics.get(f"{split}_error")
        if loss is not None:
            parts.append(f"{split} loss {number(loss)}")
        if error is not None:
            parts.append(f"error {percent(error)}")
    if "learning_rate" in metrics:
        parts.append(f"learning rate {number(metrics['learning_rate'])}")
    if "seconds" in metrics:
        parts.append(f"{metrics['seconds']:.1f} s")
    if "samples_per_second" in metrics:
        parts.append(f"{metrics['samples_per_second']:,.0f} samples/s")
    return "  ".join(parts)
