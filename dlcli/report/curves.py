"""Learning curves as a picture, with matplotlib: a column for each run, a row for each panel."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from dlcli.report.panels import Panel

STYLES = {"train": "-", "validation": "--", "test": ":"}
WIDTH, HEIGHT = 5.0, 3.2  # inches of one panel


def draw(runs: Mapping[str, Sequence[Panel]], path: Path) -> None:
    """Write the runs' panels side by side to a PNG, SVG or PDF file; the same bits every time.

    Raises
    ------
    OSError: the file cannot be written.
    """
    titles = list(dict.fromkeys(panel.title for panels in runs.values() for panel in panels))
    with matplotlib.rc_context({"svg.hashsalt": "dlcli", "font.size": 9}):
        figure = Figure(figsize=(WIDTH * len(runs), HEIGHT * len(titles)), layout="constrained")
        grid = figure.subplots(len(titles), len(runs), sharey="row", squeeze=False)
        for column, (name, panels) in enumerate(runs.items()):
            by_title = {panel.title: panel for panel in panels}
            for row, title in enumerate(titles):
                _draw_panel(grid[row][column], by_title.get(title))
            grid[0][column].set_title(name)
        for row, title in enumerate(titles):
            grid[row][0].set_ylabel(title)
        dates = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
        figure.savefig(path, dpi=120, metadata=dates.get(path.suffix.lower()))


def _draw_panel(axes: Any, panel: Panel | None) -> None:
    """One panel; where a run lacks it, an empty place."""
    if panel is None:
        axes.set_axis_off()
        return
    for curve in panel.curves:
        marker = "o" if len(curve.epochs) == 1 else None
        axes.plot(curve.epochs, curve.values, STYLES.get(curve.label, "-"), marker=marker, label=curve.label)
    if panel.logarithmic:
        axes.set_yscale("log")
    axes.set_xlabel("epoch")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7)
