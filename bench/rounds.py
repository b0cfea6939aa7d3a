"""Contenders in turn: warm-up, then rounds A B C A B C …, so that whatever else the machine does meets them alike."""

import math
import statistics
import time
from typing import Any, NamedTuple

from bench.load import LIMIT, Others
from bench.process import Worker

TURN = 0.15  # seconds that a turn should last: long against a switch, short against the machine's moods
REST = 0.05  # seconds before a turn: threads of the one before may spin for a while (OpenBLAS's do for 20 ms or so)
SHORT = 0.5  # seconds of a run, below which a turn's first is not counted
ROUNDS = 3  # at least


class Contender(NamedTuple):
    """One work of one worker."""

    name: str
    worker: Worker
    work: str


class Timing(NamedTuple):
    """Milliseconds, over ``count`` runs; ``result`` is what the last one returned (a loss)."""

    least: float
    median: float
    count: int
    result: float | None

    def as_dict(self) -> dict[str, Any]:
        return {"min_ms": _short(self.least), "median_ms": _short(self.median), "runs": self.count}


class _Round(NamedTuple):
    times: dict[str, list[float]]  # seconds, by contender
    others: float | None  # the share of the machine that they had


def _short(value: float) -> float:
    return float(f"{value:.4g}")


def interleaved(contenders: list[Contender], seconds: float) -> tuple[dict[str, Timing], float | None]:
    """Time ``contenders`` for about ``seconds`` together, warm-up not counted.

    Rounds in which others used the machine are left out, all contenders' alike, where enough quiet ones remain; what
    a round's times were plays no part in that. Returns the timings, and the share of the machine that others had.

    Raises
    ------
    ValueError: a loss is not finite; dlcli would then skip half of its step.
    """
    turn = min(TURN, seconds / len(contenders) / ROUNDS)
    counts = {c.name: _warm_up(c, turn) for c in contenders}
    pids = sorted({c.worker.pid for c in contenders})
    rounds: list[_Round] = []
    results: dict[str, float | None] = {}
    end = time.perf_counter() + seconds
    while len(rounds) < ROUNDS or time.perf_counter() < end:
        others, times = Others(pids), {}
        for contender in contenders:
            time.sleep(REST)
            count, untimed = counts[contender.name]
            answer = contender.worker.run(contender.work, count, untimed=untimed)
            times[contender.name] = answer["times"]
            result = results[contender.name] = answer["result"]
            if result is not None and not math.isfinite(result):
                raise ValueError(f"{contender.name}: the loss is {result}")
        rounds.append(_Round(times, others.share()))
    kept = _quiet(rounds)
    timings = {}
    for contender in contenders:
        taken = [seconds for each in kept for seconds in each.times[contender.name]]
        timings[contender.name] = Timing(
            1e3 * min(taken), 1e3 * statistics.median(taken), len(taken), results[contender.name]
        )
    shares = [each.others for each in kept if each.others is not None]
    return timings, round(statistics.mean(shares), 3) if shares else None


def _quiet(rounds: list["_Round"]) -> list["_Round"]:
    """The rounds in which others left the machine alone; all of them, where there are too few."""
    quiet = [each for each in rounds if each.others is None or each.others <= LIMIT]
    return quiet if len(quiet) >= ROUNDS else rounds


def _warm_up(contender: Contender, turn: float) -> tuple[int, int]:
    """Run it until it is warm; returns how many runs fill a turn, and how many before them are not counted.

    The first run of a turn fetches its arrays back into the cache, and wakes the machine after the rest.
    """
    contender.worker.run(contender.work, 1, untimed=0)  # compiles
    one = min(contender.worker.run(contender.work, 1, untimed=0)["times"])
    count = max(1, int(turn / one))
    if count > 1:
        taken = contender.worker.run(contender.work, -(-count // 3), untimed=0)["times"]
        count = max(1, int(turn / statistics.median(taken)))
    return count, int(one < SHORT)
