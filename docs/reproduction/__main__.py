"""Runs the papers' configs and writes docs/reproductions.md: ``make reproduce``."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from dlcli.report.machine import examine
from docs.reproduction.page import PAGE, page
from docs.reproduction.runs import CONFIGS, RESULTS, Failed, Run, carry_out, find, load_results, save_results

STOPPED = (130, 143)


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line, or ``words`` instead of it."""
    parser = argparse.ArgumentParser(prog="python -m docs.reproduction", description=__doc__)
    parser.add_argument("names", nargs="*", help="configs of configs/papers, without .yaml; by default all")
    parser.add_argument("--mnist", type=Path, default=Path("data/mnist"), help="folder with MNIST's four files")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1], help="seeds to run each with (1)")
    parser.add_argument("--runs", type=Path, default=Path("runs/papers"), help="folder for the run directories")
    parser.add_argument("--page", action="store_true", help="only write the page, from the results that there are")
    return parser.parse_args(words)


def main(
    words: Sequence[str] | None = None, configs: Path = CONFIGS, results: Path = RESULTS, target: Path = PAGE
) -> int:
    """Run, write the page, and give the exit code: that of the last run that failed."""
    given = arguments(words)
    code = 0
    if not given.page:
        if not given.mnist.is_dir():
            return _tell(f"error: {given.mnist}: no such folder; give the one with MNIST's four files: MNIST=FOLDER", 3)
        try:
            code = _run_all(find(given.names, given.seeds, configs), given, results)
        except ValueError as error:
            return _tell(f"error: {error}", 2)
    target.write_text(page(load_results(results), configs), encoding="utf-8")
    return code


def _run_all(runs: Sequence[Run], given: argparse.Namespace, results: Path) -> int:
    """Train what is not done yet; each result is kept at once."""
    facts = examine().facts
    machine = f"{facts['processor']}, {facts['threads']}"
    code = 0
    for run in runs:
        kept = load_results(results)
        if kept.get(run.name, {}).get("digest") == run.digest:
            _tell(f"{run.name}: done")
            continue
        _tell(f"{run.name}: {run.header.title}")
        try:
            result = carry_out(run, given.mnist.resolve(), given.runs.resolve(), machine)
        except Failed as failure:
            code = _tell(str(failure), failure.code)
            if code in STOPPED:
                break
        else:
            save_results(load_results(results) | {run.name: result}, results)  # others may have written meanwhile
    return code


def _tell(text: str, code: int = 0) -> int:
    print(text, file=sys.stderr, flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
