"""Times dlcli beside PyTorch and scikit-learn: ``python -m bench [GROUP | NAME …]``. See README.md in this folder."""

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from bench import data_path, nets, pretraining, products, results, shapes, tables, whole_loop, whole_nets
from bench.load import Others
from bench.process import Worker, WorkerError
from bench.whole_nets import Settings

SHAPES, DATA, PRETRAIN = "shapes", "data", "pretrain"
GROUPS = (nets.STEPS, nets.LARGE, nets.INFERENCE, SHAPES, nets.LOOP, PRETRAIN, DATA)
QUICK = 0.1  # of the time
SAMPLES = 60_000  # of the whole loop


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    """The command line, or ``words`` instead of it."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Times dlcli beside PyTorch and scikit-learn.")
    parser.add_argument("names", nargs="*", help=f"groups ({', '.join(GROUPS)}) or beginnings of nets' names")
    parser.add_argument("--threads", type=int, default=2, help="of every contender (2)")
    parser.add_argument("--only", choices=("dlcli", "torch"), help="one system alone; dlcli needs no other installed")
    parser.add_argument("--compile", action="store_true", help="torch.compile too")
    parser.add_argument("--quick", action="store_true", help="a tenth of the time")
    parser.add_argument("--seconds", type=float, default=8.0, help="for a net, all its contenders together (8)")
    parser.add_argument("--product-seconds", type=float, default=0.4, help="for a product of a single layer (0.4)")
    parser.add_argument("--out", type=Path, help="folder for the results; whole groups go to bench/results by default")
    return parser.parse_args(words)


def main() -> None:
    given = arguments()
    groups = [name for name in given.names if name in GROUPS] or list(GROUPS)
    names = [name for name in given.names if name not in GROUPS]
    _check(names)
    share = QUICK if given.quick else 1.0
    try:
        peak, machine = _machine(given, share)
        print(tables.heading(machine), flush=True)
        settings = Settings(
            given.threads, share * given.seconds, share * given.product_seconds, given.only, given.compile, peak
        )
        found: dict[str, Any] = {"machine": machine}
        for group in groups:
            if group == SHAPES:
                found[group] = _shapes(names, settings)
            elif group == DATA:
                found[group] = _data(names, settings)
            elif group == PRETRAIN:
                found[group] = _pretrain(names, settings)
            elif group != nets.LOOP:
                found[group] = _whole(group, names, settings)
            elif not names and given.only != "torch":
                found[group] = [whole_loop.measure(round(share * SAMPLES), settings)]
                print(tables.loop_line(found[group][0]), flush=True)
    except (WorkerError, ValueError) as error:
        sys.exit(f"error: {error}")
    _keep(found, given, partial=bool(names or given.quick or given.only))


def _check(names: list[str]) -> None:
    paths = (path.name for path in (*data_path.PATHS, *pretraining.CASES))
    known = dict.fromkeys([*(net.name for group in nets.NETS.values() for net in group), *shapes.NETS, *paths])
    for name in names:
        if not any(each.startswith(name) for each in known):
            sys.exit(f"found {name}, expected {', '.join(GROUPS)} or the beginning of one of {', '.join(known)}")


def _machine(given: argparse.Namespace, share: float) -> tuple[float, dict[str, Any]]:
    """The peak, and what is to be known of the machine and the contenders."""
    with Worker("dlcli_nets", given.threads) as worker:
        others = Others([worker.pid])
        peak = worker.make(seconds=2 * share)["facts"]["peak_gflops"]
        machine = results.describe(worker.facts, given.threads, peak) | {"others": others.share()}
    for module in () if given.only == "dlcli" else ("torch_nets", "sklearn_loop"):
        if given.only is None or module == "torch_nets":
            with Worker(module, given.threads) as worker:
                machine["versions"] |= worker.facts["versions"]
    return peak, machine


def _whole(group: str, names: list[str], settings: Settings) -> list[dict[str, Any]]:
    rows = []
    for net in whole_nets.chosen(group, names):
        rows.append(whole_nets.measure(group, net, settings))
        print("\n".join(tables.lines(group, rows[-1])), flush=True)
    return rows


def _shapes(names: list[str], settings: Settings) -> list[dict[str, Any]]:
    chosen = [net for net in shapes.NETS if not names or net.startswith(tuple(names))]
    if chosen:
        print(f"\n{SHAPES}: GFLOP/s at the minimum and the median time", flush=True)
    rows = []
    for row in products.measure(chosen, settings):
        rows.append(row)
        print(tables.product_line(row), flush=True)
    if rows and settings.only is None:
        print(f"\n{tables.table(SHAPES, rows)}", flush=True)
    return rows


def _data(names: list[str], settings: Settings) -> list[dict[str, Any]]:
    rows = []
    for path in data_path.chosen(names) if settings.only != "torch" else ():
        rows.append(data_path.measure(path, settings))
        print(tables.data_line(rows[-1]), flush=True)
    return rows


def _pretrain(names: list[str], settings: Settings) -> list[dict[str, Any]]:
    rows = []
    for case in pretraining.chosen(names):
        rows.append(pretraining.measure(case, settings))
        print("\n".join(tables.lines(PRETRAIN, rows[-1])), flush=True)
    return rows


def _keep(found: dict[str, Any], given: argparse.Namespace, *, partial: bool) -> None:
    """Write the results where asked; among those that are committed only whole groups, measured undisturbed."""
    if given.out is None:
        if partial:
            return
        # A peak that was measured too low would raise every share of it.
        disturbed = [
            g for g in GROUPS if any(map(tables.disturbed, [found["machine"], *found.get(g, ())])) and g in found
        ]
        if disturbed:
            print(f"\nnot kept, since others used the machine meanwhile: {', '.join(disturbed)}; try again, or --out")
        found = {name: value for name, value in found.items() if name not in disturbed}
        if len(found) == 1:
            return
    print("written:", *(os.path.relpath(path) for path in results.write(found, given.out)))


if __name__ == "__main__":
    main()
