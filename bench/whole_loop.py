"""The whole training loop beside scikit-learn's: batches drawn, gathered and learnt, for one epoch of MNIST's size."""

import statistics
from contextlib import ExitStack
from typing import Any

from bench.load import Others
from bench.nets import CLASSES, HIDDEN, INPUTS, LOOP_BATCH
from bench.process import Worker
from bench.whole_nets import OURS, Settings

WORKERS = {OURS: "dlcli_loop", "scikit-learn": "sklearn_loop"}
EPOCHS = 3


def measure(samples: int, settings: Settings) -> dict[str, Any]:
    """The row of the results: samples a second, the median of a few epochs each, in turn."""
    systems = [name for name in WORKERS if settings.only in (None, name)]
    with ExitStack() as stack:
        workers = {name: stack.enter_context(Worker(WORKERS[name], settings.threads)) for name in systems}
        for name, worker in workers.items():
            worker.make(samples=samples)
            worker.run(name, 1, untimed=0)  # compiles
        others = Others([worker.pid for worker in workers.values()])
        seconds: dict[str, list[float]] = {name: [] for name in workers}
        for _ in range(EPOCHS):
            for name, worker in workers.items():
                seconds[name].append(worker.run(name, 1, untimed=0)["result"])
        row: dict[str, Any] = {
            "title": f"{INPUTS}-{HIDDEN}-{CLASSES}, relu, {samples:,} samples",
            "batch": LOOP_BATCH,
            "others": others.share(),
            "contenders": {},
        }
        for name, worker in workers.items():
            row["contenders"][name] = {
                "samples_per_second": round(samples / statistics.median(seconds[name])),
                "peak_mb": round(worker.peak(), 1),
            }
    if len(workers) == len(WORKERS):
        ours, theirs = (row["contenders"][name]["samples_per_second"] for name in WORKERS)
        row["ratio"] = round(ours / theirs, 3)
    return row
