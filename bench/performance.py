"""Puts bench/results/*.json as tables into docs/performance.md. Run ``python -m bench.performance`` after a run."""

import json
from pathlib import Path

from bench import results, tables

PAGE = Path(__file__).parent.parent / "docs" / "performance.md"
BEGIN, END = "<!-- made by python -m bench.performance: begin -->", "<!-- end -->"
NONE = "No results are kept yet: `make bench`, on a machine that nobody else uses meanwhile."


def page(text: str) -> str:
    """``text`` with what lies between the markers made anew."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    kept = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(results.FOLDER.glob("*.json"))]
    made = "\n".join(tables.page(groups).replace("## ", "### ") for groups in kept) or NONE + "\n"
    return f"{before}{BEGIN}\n\n{made}\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
