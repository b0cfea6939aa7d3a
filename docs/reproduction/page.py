"""The page docs/reproductions.md, from the configs' headers and the results alone."""

from collections.abc import Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from docs.reproduction.headers import Measure, Variant
from docs.reproduction.runs import ROOT, Results, Run, find

PAGE = ROOT / "docs/reproductions.md"
INTRODUCTION = """# Published figures, reproduced

Made by `make reproduce`, which trains the configs of `configs/papers/` on the full MNIST set, one after the other, and
keeps what is done: `make reproduce NAME=…` runs one, `SEEDS="1 2 3"` several times each, `MNIST=FOLDER` says where the
set's four files are. Stopped, it goes on where it was.

Ours is the mean over seeds, with the standard deviation where there are several; the time is that of one run, its
pretraining included. What a config does otherwise than its paper stands below the table.
"""


def page(results: Results, configs: Path) -> str:
    """The whole of docs/reproductions.md."""
    seeds = sorted({result["seed"] for result in results.values()}) or [1]
    runs = find([], seeds, configs)
    groups: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        groups.setdefault((run.config.stem, run.variant.name), []).append(run)
    rows = [_row(own, results) for own in groups.values()]
    parts = [INTRODUCTION, _table(rows)]
    if machines := sorted({result["machine"] for result in results.values()}):
        parts.append(f"Run on: {'; '.join(machines)}.\n")
    for config in dict.fromkeys(run.config for run in runs):
        header = next(run.header for run in runs if run.config == config)
        differences = "\n".join(f"- {text}" for text in header.differs)
        source = f"[{config.name}](../configs/papers/{config.name}), after {header.paper}"
        parts.append(f"## {header.title}\n\n{source}. What differs:\n\n{differences}\n")
    return "\n".join(parts)


def _row(runs: Sequence[Run], results: Results) -> list[str]:
    """Of one config, as one variant, over its seeds."""
    first = runs[0]
    found = [results[run.name] for run in runs if run.name in results]
    name = first.config.stem + (f", {first.variant.name}" if first.variant.name else "")
    return [name, first.variant.published or "–", _ours(first.variant, found), _time(found), _seeds(runs, results)]


def _ours(variant: Variant, found: Sequence[dict[str, Any]]) -> str:
    if not found:
        return "not run yet"
    values = [result["value"] for result in found]
    share = variant.measure.key.endswith("error")
    shown, unit = ([100 * value for value in values], " %") if share else (values, "")
    spread = f" ± {stdev(shown):.2g}" if len(shown) > 1 else ""
    what = "" if variant.measure == Measure() else f" ({variant.measure})"
    return f"{_number(mean(shown))}{spread}{unit}{what}"


def _number(value: float) -> str:
    return f"{value:.2f}" if abs(value) < 100 else f"{value:.1f}"


def _time(found: Sequence[dict[str, Any]]) -> str:
    if not found:
        return "–"
    minutes = mean(result["seconds"] for result in found) / 60
    return f"{minutes / 60:.1f} h" if minutes >= 90 else f"{minutes:.0f} min" if minutes >= 10 else f"{minutes:.1f} min"


def _seeds(runs: Sequence[Run], results: Results) -> str:
    """The seeds that were run; of an older config, where it has changed since."""
    found = [run for run in runs if run.name in results]
    older = any(results[run.name]["digest"] != run.digest for run in found)
    return (", ".join(str(run.seed) for run in found) or "–") + (" (of an earlier config)" if older else "")


def _table(rows: Sequence[Sequence[str]]) -> str:
    cells = [["config", "published", "ours", "time", "seeds"], ["---"] * 5, *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in cells) + "\n"
