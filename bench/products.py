"""Single products, shape by shape: forward, input gradient, weight gradient, and the latter with its update."""

import math
import statistics
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

from bench import shapes
from bench.process import Worker
from bench.rounds import Contender, interleaved
from bench.shapes import Case
from bench.whole_nets import OURS, Settings, compare

WORKERS = {"dlcli": "dlcli_products", "torch": "torch_products"}


def measure(nets: list[str], settings: Settings) -> Iterator[dict[str, Any]]:
    """Rows of the results, in order."""
    with ExitStack() as stack:
        workers = [
            stack.enter_context(Worker(module, settings.threads))
            for system, module in WORKERS.items()
            if settings.only in (None, system)
        ]
        for net in nets:
            for index, case in enumerate(shapes.cases(net)):
                for product in case.products:
                    yield _row(case, index, product, workers, settings)


def _row(case: Case, index: int, product: str, workers: list[Worker], settings: Settings) -> dict[str, Any]:
    contenders = [
        Contender(name, worker, name)
        for worker in workers
        for name in worker.make(net=case.net, index=index, product=product)["works"]
    ]
    timings, others = interleaved(contenders, settings.product_seconds)
    row: dict[str, Any] = {"net": case.net, "shape": case.shape.title, "count": case.count, "product": product}
    row |= {"others": others, "contenders": {name: timing.as_dict() for name, timing in timings.items()}}
    return row | compare(row["contenders"], 2e-9 * case.shape.multiply_adds, settings.peak)


def summary(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Per net and product: the worst ratio and its shape, the geometric mean, and the ratio of the summed times.

    The sums count each shape as often as its net has it.
    """
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        if "ratio" in row:
            groups.setdefault((row["net"], row["product"]), []).append(row)
    found = []
    for (net, product), members in groups.items():
        worst = min(members, key=lambda row: row["ratio"])
        ours, theirs = (
            sum(row["count"] * row["contenders"][name or row["best_other"]]["median_ms"] for row in members)
            for name in (OURS, None)
        )
        shares = [row["others"] for row in members if row["others"] is not None]
        found.append(
            {
                "net": net, "product": product, "shapes": len(members), "ahead": sum(r["ratio"] > 1 for r in members),
                "worst": worst["ratio"], "worst_shape": worst["shape"],
                "mean": round(math.exp(statistics.mean(math.log(row["ratio"]) for row in members)), 3),
                "weighted": round(theirs / ours, 3), "share_of_peak": round(_share(members), 4),
                "others": round(statistics.mean(shares), 3) if shares else None,
            }
        )  # fmt: skip
    return found


def _share(rows: list[dict[str, Any]]) -> float:
    """dlcli's share of the peak over all of the shapes."""
    ideal = sum(r["count"] * r["contenders"][OURS]["share_of_peak"] * r["contenders"][OURS]["median_ms"] for r in rows)
    return float(ideal / sum(r["count"] * r["contenders"][OURS]["median_ms"] for r in rows))
