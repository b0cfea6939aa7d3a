"""What was measured, and on what: a JSON file for each kind of machine, and the same as tables in Markdown."""

import datetime
import json
import os
import platform
import re
from pathlib import Path
from typing import Any

from bench import tables
from bench.process import waiting

FOLDER = Path(__file__).parent / "results"
GROUPS = ("steps", "large", "inference", "shapes", "loop", "pretrain", "data")


def describe(facts: dict[str, Any], threads: int, peak: float) -> dict[str, Any]:
    """The machine: nothing that names it or its owner."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "system": platform.system(),
        "threads": threads,
        "waiting": waiting(),
        "instructions": facts["instructions"],
        "peak_gflops": round(peak, 1),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "load_average": round(os.getloadavg()[0], 2),
        "versions": facts["versions"],
    }


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found[1].strip() if found else platform.machine()


def name_of(machine: dict[str, Any]) -> str:
    """E.g. ``amd-epyc-avx2-2-threads``: runs on the same kind of machine take each other's place."""
    words = [machine["processor"], machine["instructions"], str(machine["threads"]), "threads"]
    return re.sub(r"[^a-z0-9]+", "-", " ".join(words).lower()).strip("-")


def write(found: dict[str, Any], folder: Path | None = None) -> list[Path]:
    """Write the groups found, each with the machine as it was; groups of an earlier run that are not, stay."""
    folder = folder or FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name_of(found['machine'])}.json"
    kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    for group in GROUPS:
        if group in found:
            kept[group] = {"machine": found["machine"], "rows": found[group]}
    ordered = {group: kept[group] for group in GROUPS if group in kept}
    path.write_text(_dump(ordered), encoding="utf-8")
    page = path.with_suffix(".md")
    page.write_text(tables.page(ordered), encoding="utf-8")
    return [path, page]


def _dump(groups: dict[str, Any]) -> str:
    """JSON with a row a line, so that a change shows as what it is."""
    parts = []
    for group, held in groups.items():
        rows = ",\n".join(f"   {json.dumps(row, ensure_ascii=False)}" for row in held["rows"])
        machine = json.dumps(held["machine"], ensure_ascii=False)
        parts.append(f' "{group}": {{\n  "machine": {machine},\n  "rows": [\n{rows}\n  ]}}')
    return "{\n" + ",\n".join(parts) + "\n}\n"
