"""Steps and forward passes of whole nets: each contender in a fresh process, so that its peak memory is the net's."""

from contextlib import ExitStack
from typing import Any, NamedTuple

from bench.nets import NETS, Net
from bench.process import Worker, compile_kernels
from bench.rounds import Contender, interleaved

OURS = "dlcli"


class Settings(NamedTuple):
    """What the command line says."""

    threads: int
    seconds: float  # for all contenders of a net together
    product_seconds: float  # for all contenders of a product
    only: str | None  # the one system to run, "dlcli" or "torch"
    compiled: bool  # torch.compile too
    peak: float  # GFLOP/s of the bare tile


def contenders_of(net: Net, settings: Settings) -> dict[str, dict[str, Any] | None]:
    """Names, and how PyTorch is to run (None: dlcli)."""
    contenders: dict[str, dict[str, Any] | None] = {OURS: None}
    layouts = ["contiguous", "channels_last"] if len(net.shape) == 3 else ["contiguous"]
    for layout in layouts:
        contenders[f"torch {layout}"] = {"layout": layout, "compile": False}
    if settings.compiled:
        contenders["torch compiled"] = {"layout": "contiguous", "compile": True}
    return {name: how for name, how in contenders.items() if name.startswith(settings.only or "")}


def measure(group: str, net: Net, settings: Settings) -> dict[str, Any]:
    """One row of the results.

    Raises
    ------
    ValueError: the two nets differ in their parameters, or a loss is not finite.
    """
    job = {"group": group, "net": net.name, "batch": net.batch}
    with ExitStack() as stack:
        contenders, facts = [], {}
        for name, how in contenders_of(net, settings).items():
            if not how:
                compile_kernels("dlcli_nets", settings.threads, name, job)
            worker = stack.enter_context(Worker("torch_nets" if how else "dlcli_nets", settings.threads))
            facts[name] = worker.make(**job, name=name, **(how or {}))["facts"]
            contenders.append(Contender(name, worker, name))
        if len({each["parameters"] for each in facts.values()}) > 1:
            raise ValueError(f"{net.name}: the nets differ: {facts}")
        timings, others = interleaved(contenders, settings.seconds)
        row: dict[str, Any] = {"net": net.name, "title": net.title, "batch": net.batch, "contenders": {}}
        row["others"] = others
        for name, worker, _ in contenders:
            memory = {"peak_mb": round(worker.peak(), 1), "imported_mb": round(worker.imported, 1)}
            row["contenders"][name] = timings[name].as_dict() | memory
    return row | compare(row["contenders"], facts.get(OURS, {}).get("gflop"), settings.peak)


def compare(contenders: dict[str, Any], gflop: float | None, peak: float) -> dict[str, Any]:
    """Ratios (above 1: dlcli is ahead) to the best of the others by median time, and shares of the peak."""
    found: dict[str, Any] = {}
    if gflop is not None:
        found["gflop"] = float(f"{gflop:.4g}")
        for timing in contenders.values():
            timing["share_of_peak"] = round(1e3 * gflop / timing["median_ms"] / peak, 4)
    others = [name for name in contenders if name != OURS]
    if OURS in contenders and others:
        best = min(others, key=lambda name: contenders[name]["median_ms"])
        ours, theirs = contenders[OURS], contenders[best]
        found["best_other"] = best
        found["ratio"] = round(theirs["median_ms"] / ours["median_ms"], 3)
        found["ratio_of_minima"] = round(min(contenders[n]["min_ms"] for n in others) / ours["min_ms"], 3)
        if "peak_mb" in theirs:
            found["memory_ratio"] = round(theirs["peak_mb"] / ours["peak_mb"], 2)
    return found


def chosen(group: str, names: list[str]) -> list[Net]:
    """The group's nets whose names begin with one of ``names``; all, where there is none."""
    return [net for net in NETS[group] if not names or net.name.startswith(tuple(names))]
