"""Results as people read them: lines while they come, tables in Markdown when they are kept."""

from collections.abc import Callable
from typing import Any

from bench.load import LIMIT
from bench.products import summary

Row = dict[str, Any]
MARK = "†"
NOTE = (
    f"{MARK} others used more than {LIMIT:.0%} of the machine meanwhile: "
    "the row (or the peak, and with it every share) says little."
)


def heading(machine: Row) -> str:
    """The machine in one line."""
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    mark = f" {MARK}" if disturbed(machine) else ""
    return (
        f"{machine['processor']}, {machine['cores']} cores, {machine['threads']} threads, {machine['instructions']}; "
        f"peak of the bare tile {machine['peak_gflops']:.0f} GFLOP/s{mark}; {versions}; {machine['date']}, "
        f"load average {machine['load_average']}"
    )


def disturbed(row: Row) -> bool:
    """Whether others had too much of the machine while this was measured."""
    return (row.get("others") or 0) > LIMIT


def lines(group: str, row: Row) -> list[str]:
    """A net's contenders and how they compare, for the terminal."""
    shown = [f"\n{group}: {row['title']}, batch {row['batch']}"]
    for name, timing in row["contenders"].items():
        shown.append(
            f"  {name:22} min {_ms(timing['min_ms']):>8}  median {_ms(timing['median_ms']):>8} ms"
            f"  {timing.get('share_of_peak', 0):7.1%} of peak"
            f"  {timing['peak_mb']:6.0f} MB at most, {timing['imported_mb']:.0f} after imports  ({timing['runs']} runs)"
        )
    if "ratio" in row:
        shown.append(
            f"  ratio {row['ratio']:.2f} ({row['best_other']}; of minima {row['ratio_of_minima']:.2f})"
            f"   memory {row['memory_ratio']:.2f}"
        )
    if disturbed(row):
        shown.append(f"  {MARK} others used {row['others']:.0%} of the machine meanwhile: this says little")
    return shown


def product_line(row: Row) -> str:
    """A product, for the terminal."""
    shown = [f"{row['net']:10}{row['shape']:44}{row['product']:28}"]
    for name, timing in row["contenders"].items():
        speed = 1e3 * row["gflop"] / timing["median_ms"]
        best = 1e3 * row["gflop"] / timing["min_ms"]
        shown.append(f"{name.removeprefix('torch ').replace('channels_last', 'last')} {best:4.0f} {speed:4.0f}")
    if "ratio" in row:
        shown.append(f"ratio {row['ratio']:5.2f} (of minima {row['ratio_of_minima']:5.2f})")
    if "dlcli" in row["contenders"]:
        shown.append(f"{row['contenders']['dlcli']['share_of_peak']:4.0%} of peak")
    return "  ".join(shown) + (f" {MARK}" if disturbed(row) else "")


def page(groups: dict[str, Any]) -> str:
    """All groups of a results file."""
    parts = []
    for group, held in groups.items():
        parts += [f"## {group.capitalize()}\n", f"{heading(held['machine'])}.\n", table(group, held["rows"]), ""]
        if any(map(disturbed, [held["machine"], *held["rows"]])):
            parts += [NOTE, ""]
    return "\n".join(parts).rstrip() + "\n"


def table(group: str, rows: list[Row]) -> str:
    """One group as a Markdown table."""
    return {"shapes": _products, "loop": _loop, "pretrain": _pretrain, "data": _data}.get(group, _whole)(rows)


def _whole(rows: list[Row]) -> str:
    head = [
        "| net | batch | dlcli, ms | PyTorch, ms | ratio | dlcli, peak | PyTorch, peak | dlcli, MB | PyTorch, MB |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    return "\n".join(head + [_whole_row(row) for row in rows])


def _whole_row(row: Row) -> str:
    timings: Row = row["contenders"]
    best = row.get("best_other", "")
    ours, theirs = timings.get("dlcli", {}), timings.get(best, {})
    layout = f" ({best.removeprefix('torch ').replace('_', ' ')})" if best else ""
    cells = [
        _title(row), str(row["batch"]), _cell(ours, "median_ms", _ms), _cell(theirs, "median_ms", _ms) + layout,
        _cell(row, "ratio", "**{:.2f}**".format), _cell(ours, "share_of_peak", "{:.0%}".format),
        _cell(theirs, "share_of_peak", "{:.0%}".format), _cell(ours, "peak_mb", "{:.0f}".format),
        _cell(theirs, "peak_mb", "{:.0f}".format),
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |"


def _title(row: Row) -> str:
    return row["title"] + (f" {MARK}" if disturbed(row) else "")


def _cell(row: Row, name: str, form: Callable[[float], str]) -> str:
    """A figure, or a dash where it was not measured."""
    return form(row[name]) if name in row else "–"


def _products(rows: list[Row]) -> str:
    head = [
        "| net | product | shapes (ahead) | worst ratio, and where | geometric mean | by time | dlcli, peak |",
        "|---|---|--:|---|--:|--:|--:|",
    ]
    lines = []
    for row in summary(rows):
        mark = f" {MARK}" if disturbed(row) else ""
        cells = [
            row["net"] + mark, row["product"], f"{row['shapes']} ({row['ahead']})",
            f"{row['worst']:.2f}: {row['worst_shape']}", f"{row['mean']:.2f}", f"**{row['weighted']:.2f}**",
            f"{row['share_of_peak']:.0%}",
        ]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(head + lines)


def loop_line(row: Row) -> str:
    """The whole loop, for the terminal."""
    each = [f"{name} {timing['samples_per_second']:,} samples/s" for name, timing in row["contenders"].items()]
    ratio = f"   ratio {row['ratio']:.2f}" if "ratio" in row else ""
    return f"\nloop: {row['title']}, batch {row['batch']}\n  {', '.join(each)}{ratio}" + (
        f" {MARK}" if disturbed(row) else ""
    )


def _loop(rows: list[Row]) -> str:
    head = ["| net | batch | dlcli, samples/s | scikit-learn, samples/s | ratio |", "|---|--:|--:|--:|--:|"]
    lines = []
    for row in rows:
        speeds = [_cell(row["contenders"].get(name, {}), "samples_per_second", "{:,}".format)
                  for name in ("dlcli", "scikit-learn")]  # fmt: skip
        ratio = _cell(row, "ratio", "**{:.2f}**".format)
        lines.append(f"| {_title(row)} | {row['batch']} | {' | '.join(speeds)} | {ratio} |")
    return "\n".join(head + lines)


def _pretrain(rows: list[Row]) -> str:
    head = [
        "| epoch of | batch | dlcli, ms | other, ms | ratio | dlcli, MB | other, MB |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    lines = []
    for row in rows:
        best = row.get("best_other", "")
        ours, theirs = row["contenders"].get("dlcli", {}), row["contenders"].get(best, {})
        cells = [
            _title(row), str(row["batch"]), _cell(ours, "median_ms", _ms),
            _cell(theirs, "median_ms", _ms) + (f" ({best})" if best else ""), _cell(row, "ratio", "**{:.2f}**".format),
            _cell(ours, "peak_mb", "{:.0f}".format), _cell(theirs, "peak_mb", "{:.0f}".format),
        ]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(head + lines)


def data_line(row: Row) -> str:
    """A data path, for the terminal."""
    timing = row["contenders"]["dlcli"]
    return (
        f"\ndata: {row['title']}, batch {row['batch']}\n  {_speed(timing['batches_per_second'])} batches/s"
        f"   min {_ms(timing['min_ms'])}  median {_ms(timing['median_ms'])} ms{f' {MARK}' if disturbed(row) else ''}"
    )


def _data(rows: list[Row]) -> str:
    head = ["| data | batch | batches/s | ms | MB |", "|---|--:|--:|--:|--:|"]
    lines = []
    for row in rows:
        timing = row["contenders"]["dlcli"]
        figures = [_speed(timing["batches_per_second"]), _ms(timing["median_ms"]), f"{timing['peak_mb']:.0f}"]
        lines.append(f"| {_title(row)} | {row['batch']} | {' | '.join(figures)} |")
    return "\n".join(head + lines)


def _speed(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def _ms(value: float) -> str:
    return f"{value:.3f}" if value < 10 else f"{value:.1f}"
