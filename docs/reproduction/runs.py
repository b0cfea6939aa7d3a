"""The runs behind the figures: each config, variant and seed once; what is done stays done."""

import hashlib
import json
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from docs.reproduction.headers import Header, Measure, Variant, read

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / "configs/papers"
RESULTS = ROOT / "docs/reproductions.json"
MNIST = ("idx", "bundled")  # kinds of source in whose place the full set comes
Results = dict[str, dict[str, Any]]  # by the run's name


@dataclass(frozen=True)
class Run:
    """One training: a config, as a variant, with a seed."""

    config: Path
    header: Header
    variant: Variant
    seed: int

    @property
    def name(self) -> str:
        """Of the run directory and of its results."""
        variant = re.sub(r"\W+", "-", self.variant.name)
        return "-".join(part for part in (self.config.stem, variant, f"seed{self.seed}") if part)

    @property
    def digest(self) -> str:
        """Of all that decides the result: the config without its comments, and the variant's changes."""
        settings = [yaml.safe_load(self.config.read_text(encoding="utf-8")), self.variant.changes, self.seed]
        return hashlib.blake2b(json.dumps(settings, sort_keys=True).encode(), digest_size=8).hexdigest()

    def command(self, mnist: Path, folder: Path) -> list[str]:
        """The command line that trains it, or goes on with it."""
        source = yaml.safe_load(self.config.read_text(encoding="utf-8"))["data"]["source"]
        changes = [*self.variant.changes]
        if source.get("type") in MNIST:
            changes.insert(0, "data.source=" + json.dumps({"type": "idx", "root": str(mnist)}))
        directory = folder / self.name
        return [
            *(sys.executable, "-m", "dlcli", "train", str(self.config), "--out", str(directory), "--json"),
            *("--seed", str(self.seed)),
            *(word for change in changes for word in ("--set", change)),
            *(["--resume"] if any(directory.glob("checkpoints/*.safetensors")) else ["--overwrite"]),
        ]


class Failed(Exception):
    """A run was stopped, or could not go on; ``code`` is its exit code."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


def find(names: Sequence[str], seeds: Sequence[int], configs: Path) -> list[Run]:
    """The runs of the configs of those names, or of all.

    Raises
    ------
    ValueError: there is no such config, or its header is not as it should be.
    """
    there = {path.stem: path for path in sorted(configs.glob("*.yaml"))}
    if unknown := [name for name in names if name not in there]:
        raise ValueError(f"found no config {unknown[0]!r}, expected one of: {', '.join(there)}")
    headers = {path: read(path) for path in (there[name] for name in names or there)}
    return [
        Run(config, header, variant, seed)
        for config, header in headers.items()
        for variant in header.variants
        for seed in seeds
    ]


def load_results(path: Path) -> Results:
    found: Results = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return found


def save_results(results: Results, path: Path) -> None:
    path.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def carry_out(run: Run, mnist: Path, folder: Path, machine: str) -> dict[str, Any]:
    """Train, from where an earlier attempt stopped; the result as `load_results` gives it.

    Raises
    ------
    Failed: it was stopped, could not go on, or has no such number as is measured.
    """
    code, output = _wait_for(run.command(mnist, folder))
    if code:
        raise Failed(f"{run.name}: ended with exit code {code}", code)
    summary = json.loads(output)
    rows = [json.loads(line) for line in (folder / run.name / "metrics.jsonl").read_text().splitlines()]
    try:
        value = value_of(run.variant.measure, summary, rows)
    except ValueError as error:
        raise Failed(f"{run.name}: {error}", 2) from error
    return {
        "config": run.config.stem,
        "variant": run.variant.name,
        "seed": run.seed,
        "digest": run.digest,
        "value": value,
        "seconds": round(sum(row.get("seconds", 0.0) for row in rows), 1),
        "machine": machine,
    }


def _wait_for(command: Sequence[str]) -> tuple[int, str]:
    """Run a command to its end, its exit code and output; what asks this process to stop asks the command instead.

    A terminal's INT reaches both, TERM is passed on; the command then writes a checkpoint and ends.
    """
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        before = {
            signal.SIGINT: signal.signal(signal.SIGINT, lambda *_: None),
            signal.SIGTERM: signal.signal(signal.SIGTERM, lambda *_: process.terminate()),
        }
        try:
            output, _ = process.communicate()
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)
    return process.returncode, output


def value_of(measure: Measure, summary: dict[str, Any], rows: list[dict[str, Any]]) -> float:
    """The measure's number.

    Raises
    ------
    ValueError: the run has none.
    """
    own = [row for row in rows if row["stage"] == measure.stage]
    found = (own[-1] if own else {}).get(measure.key) if measure.stage else summary.get(measure.key)
    if found is None:
        raise ValueError(f"the run has no {measure}")
    return measure.factor * float(found)
