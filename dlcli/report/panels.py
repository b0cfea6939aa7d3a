"""What there is to draw of a run: panels of curves, from the rows of metrics.jsonl."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dlcli.report.table import number, percent, table

Row = dict[str, Any]  # one object of metrics.jsonl
PRETRAIN = "pretrain/"
SPLITS = ("train", "validation", "test")
DIAGNOSTICS = {"gradient norm": "gradient_norm/", "weight norm": "weight_norm/", "activity": "activity/"}
LOGARITHMIC = ("gradient norm", "weight norm")


@dataclass(frozen=True)
class Curve:
    """A value over epochs; a single point is drawn as a mark."""

    label: str
    epochs: tuple[int, ...]
    values: tuple[float, ...]


@dataclass(frozen=True)
class Panel:
    """Curves that share an axis."""

    title: str
    curves: tuple[Curve, ...]

    @property
    def logarithmic(self) -> bool:
        return self.title in LOGARITHMIC


def panels(rows: Sequence[Row]) -> list[Panel]:
    """The panels that have anything to show: losses, errors, pretraining, and the layers' diagnostics."""
    pretraining = [row for row in rows if row["stage"].startswith(PRETRAIN)]
    supervised = [row for row in rows if not row["stage"].startswith(PRETRAIN)]
    curves = {
        "loss": [_curve(supervised, f"{split}_loss", split) for split in SPLITS],
        "error": [_curve(supervised, f"{split}_error", split) for split in SPLITS],
        "pretraining loss": _stage_curves(pretraining),
    } | {title: _layer_curves(supervised, prefix) for title, prefix in DIAGNOSTICS.items()}
    drawn = {title: tuple(curve for curve in found if curve.epochs) for title, found in curves.items()}
    return [Panel(title, found) for title, found in drawn.items() if found]


def panel_table(panel: Panel) -> str:
    """The panel as text: a line for each epoch, a column for each curve."""
    epochs = sorted({epoch for curve in panel.curves for epoch in curve.epochs})
    shown = percent if panel.title == "error" else number
    lookups = [dict(zip(curve.epochs, curve.values, strict=True)) for curve in panel.curves]
    rows = [[str(epoch), *(shown(lookup.get(epoch)) for lookup in lookups)] for epoch in epochs]
    return f"{panel.title}\n" + table(rows, ["epoch", *(curve.label for curve in panel.curves)], left=0)


def _curve(rows: Sequence[Row], key: str, label: str) -> Curve:
    points = [(row["epoch"], row[key]) for row in rows if row.get(key) is not None]
    return Curve(label, tuple(epoch for epoch, _ in points), tuple(value for _, value in points))


def _stage_curves(rows: Sequence[Row]) -> list[Curve]:
    """The training loss of each pretrained layer."""
    stages = dict.fromkeys(row["stage"] for row in rows)
    return [
        _curve([row for row in rows if row["stage"] == stage], "train_loss", stage.removeprefix(PRETRAIN))
        for stage in stages
    ]


def _layer_curves(rows: Sequence[Row], prefix: str) -> list[Curve]:
    keys = dict.fromkeys(key for row in rows for key in row if key.startswith(prefix))
    return [_curve(rows, key, key.removeprefix(prefix)) for key in keys]
