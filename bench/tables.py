"""Results as people read them: lines while they come, tables in Markdown when they are kept."""

from typing import Any

from bench.load import LIMIT

Row = dict[str, Any]
MARK = "†"
NOTE = f"{MARK} others used more than {LIMIT:.0%} of the machine meanwhile: the row says little."


def heading(machine: Row) -> str:
    """The machine in one line."""
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    return (
        f"{machine['processor']}, {machine['cores']} cores, {machine['threads']} threads, {machine['instructions']}; "
        f"peak of the bare tile {machine['peak_gflops']:.0f} GFLOP/s; {versions}; {machine['date']}, "
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


def page(groups: dict[str, Any]) -> str:
    """All groups of a results file."""
    parts = []
    for group, held in groups.items():
        parts += [f"## {group.capitalize()}\n", f"{heading(held['machine'])}.\n", table(group, held["rows"]), ""]
        if any(map(disturbed, held["rows"])):
            parts += [NOTE, ""]
    return "\n".join(parts).rstrip() + "\n"


def table(group: str, rows: list[Row]) -> str:
    """One group as a Markdown table."""
    return _whole(rows)


def _whole(rows: list[Row]) -> str:
    head = [
        "| net | batch | dlcli, ms | PyTorch, ms | ratio | dlcli, of peak | PyTorch, of peak | dlcli, MB | PyTorch, MB |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    return "\n".join(head + [_whole_row(row) for row in rows])


def _whole_row(row: Row) -> str:
    timings = row["contenders"]
    ours, theirs = timings["dlcli"], timings[row["best_other"]]
    cells = [
        row["title"] + (f" {MARK}" if disturbed(row) else ""), str(row["batch"]), _ms(ours["median_ms"]),
        f"{_ms(theirs['median_ms'])} ({row['best_other'].removeprefix('torch ').replace('_', ' ')})",
        f"**{row['ratio']:.2f}**", f"{ours['share_of_peak']:.0%}", f"{theirs['share_of_peak']:.0%}",
        f"{ours['peak_mb']:.0f}", f"{theirs['peak_mb']:.0f}",
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |"


def _ms(value: float) -> str:
    return f"{value:.3f}" if value < 10 else f"{value:.1f}"
