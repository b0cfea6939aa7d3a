"""Aligned plain text."""

from collections.abc import Sequence


def table(rows: Sequence[Sequence[str]], headers: Sequence[str] = (), left: int = 1) -> str:
    """Rows of cells as lines; the first ``left`` columns are aligned at the left, the others at the right."""
    lines = [list(headers), *rows] if headers else list(rows)
    widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if place < left else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def percent(share: float | None) -> str:
    """A share as a percentage; a dash where there is none."""
    return "–" if share is None else f"{100 * share:.2f} %"


def number(value: float | None) -> str:
    """A number in four significant digits; a dash where there is none."""
    return "–" if value is None else f"{value:.4g}"


def size(count: float) -> str:
    """Bytes in the unit that suits them."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} GB"
