"""Latencies of many requests in a few numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds: mean, percentiles and the longest of `count` requests."""

    count: int
    mean_s: float
    p50_s: float
    p95_s: float
    p99_s: float
    max_s: float


def percentile(ordered: Sequence[float], percent: float) -> float:
    """The least of the ordered values that at least `percent` of them do not exceed.

    Nearest rank: always a value that was measured. Raises IndexError when there is none.
    """
    return ordered[max(1, math.ceil(len(ordered) * percent / 100)) - 1]


def latency(seconds: Iterable[float]) -> Latency | None:
    """The summary; None without a value."""
    ordered = sorted(seconds)
    if not ordered:
        return None
    p50, p95, p99 = (percentile(ordered, percent) for percent in (50, 95, 99))
    return Latency(len(ordered), fmean(ordered), p50, p95, p99, ordered[-1])
