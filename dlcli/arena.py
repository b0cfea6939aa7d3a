"""Where arrays that live for a while lie in one piece of memory: those whose lives don't meet share it."""

from collections.abc import Sequence
from typing import NamedTuple

LINE = 16  # numbers: every array begins at a cache line's start, if the piece does


class Life(NamedTuple):
    """An array of ``size`` numbers, wanted from the ``first`` to the ``last`` of a sequence of steps, both included."""

    size: int
    first: int
    last: int


def lay_out(lives: Sequence[Life]) -> tuple[list[int], int]:
    """Where each array begins, and the size of the whole, in numbers.

    The largest are placed first, each at the lowest place that is free all its life: a greedy rule that comes within
    a few per cent of the least possible for networks (Pisarchyk and Lee, "Efficient Memory Management for Deep Neural
    Net Inference", 2020, section 5).
    """
    starts, whole = [0] * len(lives), 0
    placed: list[int] = []
    for index in sorted(range(len(lives)), key=lambda index: -lives[index].size):
        life = lives[index]
        start = 0
        for other, end in sorted(
            (starts[i], starts[i] + lives[i].size)
            for i in placed
            if lives[i].first <= life.last and life.first <= lives[i].last
        ):
            if start + life.size <= other:
                break
            start = max(start, -(-end // LINE) * LINE)
        starts[index] = start
        placed.append(index)
        whole = max(whole, start + life.size)
    return starts, whole
