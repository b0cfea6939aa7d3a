"""The child's side of `bench.process`: build what a job describes, run it when told, give the times.

Run as ``python -m bench.workers.serve MODULE THREADS``. MODULE, of this package, has ``prepare(threads)``, which
imports what it needs, and ``make(job)``, which gives works by name and facts about them. A line of JSON on stdin is
a command, one on stdout its answer; whatever else would be printed goes to stderr.
"""

import importlib
import json
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

Work = Callable[[], Any]  # returns a number, the loss, or nothing of interest


class Made(NamedTuple):
    """What a job became."""

    works: dict[str, Work]
    facts: dict[str, Any]


def megabytes_now() -> float:
    """Resident memory, where the system tells; else the peak so far."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    except OSError:
        return megabytes_at_most()


def megabytes_at_most() -> float:
    """Peak resident memory; Linux counts KiB, macOS bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6


def run(work: Work, untimed: int, count: int) -> dict[str, Any]:
    """Times of ``count`` runs in a row, and what the last one returned."""
    for _ in range(untimed):
        work()
    times, clock, result = [], time.perf_counter, None
    for _ in range(count):
        began = clock()
        result = work()
        times.append(clock() - began)
    return {"times": times, "result": result if isinstance(result, float) else None}


def commands() -> Iterator[dict[str, Any]]:
    for line in sys.stdin:
        yield json.loads(line)


def main() -> None:
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    module = importlib.import_module(f"bench.workers.{sys.argv[1]}")
    facts = module.prepare(int(sys.argv[2]))
    print(json.dumps({"facts": facts, "imported": megabytes_now()}), file=answers)
    made = Made({}, {})
    for command in commands():
        if command["do"] == "make":
            made = Made({}, {})  # let go of the last job's arrays before there are new ones
            made = module.make(command["job"])
            answer = {"works": list(made.works), "facts": made.facts}
        elif command["do"] == "run":
            answer = run(made.works[command["work"]], command["untimed"], command["count"])
        else:
            answer = {"peak": megabytes_at_most()}
        print(json.dumps(answer), file=answers)


if __name__ == "__main__":
    main()
