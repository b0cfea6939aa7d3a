"""Pretraining beside others, on digits: epochs of RBMs and of a tied denoising autoencoder, 784-500, batches of 100."""

from contextlib import ExitStack
from typing import Any, NamedTuple

from bench.process import Worker, compile_kernels
from bench.rounds import Contender, interleaved
from bench.whole_nets import OURS, Settings, compare

INPUTS, UNITS, BATCH, SAMPLES = 784, 500, 100, 6_000
RATE = 0.1  # scikit-learn's own


class Pretraining(NamedTuple):
    """What is learnt, and who else does it: the name of a contender and of its worker."""

    name: str
    title: str
    other: str
    worker: str


CASES = (
    Pretraining("pcd", "RBM 784-500, PCD-1, 6,000 samples", "scikit-learn", "sklearn_rbm"),
    Pretraining("cd", "RBM 784-500, CD-1, 6,000 samples", "torch", "torch_pretraining"),
    Pretraining("denoising", "tied denoising autoencoder 784-500, 6,000 samples", "torch", "torch_pretraining"),
)


def chosen(names: list[str]) -> list[Pretraining]:
    """Those whose names begin with one of ``names``; all, where there is none."""
    return [case for case in CASES if not names or case.name.startswith(tuple(names))]


def measure(case: Pretraining, settings: Settings) -> dict[str, Any]:
    """The row of the results: milliseconds of an epoch."""
    workers = {OURS: "dlcli_pretraining", case.other: case.worker}
    systems = [name for name in workers if settings.only in (None, name)]
    row: dict[str, Any] = {"net": case.name, "title": case.title, "batch": BATCH, "contenders": {}}
    with ExitStack() as stack:
        contenders = []
        for name in systems:
            if name == OURS:
                compile_kernels(workers[name], settings.threads, name, {"case": case.name})
            worker = stack.enter_context(Worker(workers[name], settings.threads))
            worker.make(case=case.name)
            contenders.append(Contender(name, worker, name))
        timings, row["others"] = interleaved(contenders, settings.seconds)
        for name, worker, _ in contenders:
            memory = {"peak_mb": round(worker.peak(), 1), "imported_mb": round(worker.imported, 1)}
            row["contenders"][name] = timings[name].as_dict() | memory
    return row | compare(row["contenders"], None, settings.peak)
