"""Times dlcli beside PyTorch and scikit-learn: ``python -m bench [GROUP | NAME …]``. See README.md in this folder."""

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from bench import results, tables, whole_nets
from bench.nets import INFERENCE, NETS, STEPS
from bench.process import Worker, WorkerError
from bench.whole_nets import Settings

GROUPS = (STEPS, INFERENCE)
QUICK = 0.1  # of the time


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Times dlcli beside PyTorch.")
    parser.add_argument("names", nargs="*", help=f"groups ({', '.join(GROUPS)}) or beginnings of nets' names")
    parser.add_argument("--threads", type=int, default=2, help="of every contender (2)")
    parser.add_argument("--only", choices=("dlcli", "torch"), help="one system alone; dlcli needs no other installed")
    parser.add_argument("--compile", action="store_true", help="torch.compile too")
    parser.add_argument("--quick", action="store_true", help="a tenth of the time")
    parser.add_argument("--seconds", type=float, default=12.0, help="for a net, all its contenders together (12)")
    parser.add_argument("--out", type=Path, help="folder for the results; by default bench/results for a full run")
    return parser.parse_args()


def main() -> None:
    given = arguments()
    groups = [name for name in given.names if name in GROUPS] or list(GROUPS)
    names = [name for name in given.names if name not in GROUPS]
    known = [net.name for nets in NETS.values() for net in nets]
    for name in names:
        if not any(each.startswith(name) for each in known):
            sys.exit(f"found {name}, expected {', '.join(GROUPS)} or one of {', '.join(dict.fromkeys(known))}")
    share = QUICK if given.quick else 1.0
    try:
        with Worker("dlcli_nets", given.threads) as worker:
            peak = worker.make(seconds=2 * share)["facts"]["peak_gflops"]
            machine = results.describe(worker.facts, given.threads, peak)
        print(tables.heading(machine), flush=True)
        settings = Settings(given.threads, share * given.seconds, share, given.only, given.compile, peak)
        found: dict[str, Any] = {"machine": machine}
        for group in groups:
            found[group] = _whole(group, names, settings)
    except (WorkerError, ValueError) as error:
        sys.exit(f"error: {error}")
    whole = not (names or given.quick or given.only)
    if given.out or whole:
        print("written:", *(os.path.relpath(path) for path in results.write(found, given.out)))


def _whole(group: str, names: list[str], settings: Settings) -> list[dict[str, Any]]:
    rows = []
    for net in whole_nets.chosen(group, names):
        rows.append(whole_nets.measure(group, net, settings))
        print("\n".join(tables.lines(group, rows[-1])), flush=True)
    return rows


if __name__ == "__main__":
    main()
