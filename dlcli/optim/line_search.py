"""How far to go along a line: the strong Wolfe conditions."""

import math
from collections.abc import Callable
from typing import NamedTuple

SUFFICIENT = 1e-4  # c₁: of the fall that the slope at the start promises
CURVATURE = 0.9  # c₂: of the slope at the start
NEAREST, WIDEST = 0.1, 10.0  # how near to the ends of an interval, and how far beyond the last point, a trial may lie
NARROWEST = 1e-12  # an interval that is not searched, relative to where it lies


class Point(NamedTuple):
    """A place on the line, with the function's value and its slope along the line."""

    at: float
    value: float
    slope: float


def strong_wolfe(
    function: Callable[[float], tuple[float, float]], value: float, slope: float, first: float, most: int
) -> float:
    """A t > 0 with φ(t) ≤ φ(0) + c₁ t φ'(0) and |φ'(t)| ≤ c₂ |φ'(0)|.

    Nocedal and Wright, "Numerical optimization" (2006), algorithms 3.5 and 3.6, with cubic interpolation (3.59).

    Parameters
    ----------
    function: t → (φ(t), φ'(t)); a value that is not finite counts as too large.
    value, slope: φ(0) and φ'(0) < 0.
    first: the first t to try.
    most: how often ``function`` may be evaluated.

    Returns
    -------
    t, or the best one found that satisfies the first condition where there are no evaluations left, or 0 if none does.
    """
    start = before = Point(0.0, value, slope)
    at = first
    for done in range(1, most + 1):
        now = Point(at, *function(at))
        if _too_high(now, start) or (done > 1 and now.value >= before.value):
            return _narrow(function, start, before, now, most - done)
        if abs(now.slope) <= -CURVATURE * slope:
            return now.at
        if now.slope >= 0:
            return _narrow(function, start, now, before, most - done)
        reach = now.at - before.at
        at = _between(_minimum(before, now), now.at + NEAREST * reach, now.at + WIDEST * reach)
        before = now
    return before.at


def _narrow(
    function: Callable[[float], tuple[float, float]], start: Point, low: Point, high: Point, evaluations: int
) -> float:
    """Search between two points, of which ``low`` is the best so far and falls towards ``high``."""
    for _ in range(evaluations):
        left, width = min(low.at, high.at), abs(high.at - low.at)
        if width <= NARROWEST * left:  # rounding is all that is left of the function's changes
            break
        at = _between(_minimum(low, high), left + NEAREST * width, left + (1 - NEAREST) * width)
        now = Point(at, *function(at))
        if _too_high(now, start) or now.value >= low.value:
            high = now
            continue
        if abs(now.slope) <= -CURVATURE * start.slope:
            return now.at
        if now.slope * (high.at - low.at) >= 0:
            high = low
        low = now
    return low.at


def _too_high(now: Point, start: Point) -> bool:
    return not now.value <= start.value + SUFFICIENT * now.at * start.slope


def _minimum(a: Point, b: Point) -> float:
    """Where the cubic through two points with their slopes is least; NaN where it has no minimum."""
    if not all(map(math.isfinite, (*a, *b))):
        return math.nan
    d = a.slope + b.slope - 3.0 * (a.value - b.value) / (a.at - b.at)
    square = d * d - a.slope * b.slope
    if square < 0.0:
        return math.nan
    root = math.copysign(math.sqrt(square), b.at - a.at)
    divisor = b.slope - a.slope + 2.0 * root
    return b.at - (b.at - a.at) * (b.slope + root - d) / divisor if divisor else math.nan


def _between(at: float, lowest: float, highest: float) -> float:
    """``at`` within the bounds; their middle where it is not a number."""
    return 0.5 * (lowest + highest) if math.isnan(at) else min(max(at, lowest), highest)
