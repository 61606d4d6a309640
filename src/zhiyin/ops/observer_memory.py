"""Observer in memory: counters and last values of this process, since its start."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import get_args

from zhiyin.ports.observer import CountName, EngineEvent, LaneName, LiveResult


@dataclass(frozen=True, slots=True)
class LaneTotals:
    """Of a lane: clips that wait now, sums over those that were taken and over engine calls."""

    waiting: int = 0
    taken: int = 0
    waited_s: float = 0.0
    longest_wait_s: float = 0.0
    batches: int = 0
    clips: int = 0
    audio_s: float = 0.0
    engine_s: float = 0.0


@dataclass(frozen=True, slots=True)
class LagTotals:
    """Of live results of a kind."""

    results: int = 0
    lag_s: float = 0.0
    last_lag_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Observed:
    """Everything at one moment; `errors` by API and code, `engine_s` of the last event each."""

    counts: Mapping[CountName, int] = field(default_factory=dict)
    lanes: Mapping[LaneName, LaneTotals] = field(default_factory=dict)
    lags: Mapping[LiveResult, LagTotals] = field(default_factory=dict)
    engine: Mapping[EngineEvent, int] = field(default_factory=dict)
    engine_s: Mapping[EngineEvent, float] = field(default_factory=dict)
    errors: Mapping[tuple[str, str], int] = field(default_factory=dict)


class MemoryObserver:
    """Implements `ports.observer.Observer`. Any method from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[CountName] = Counter()
        self._lanes: dict[LaneName, LaneTotals] = {}
        self._lags: dict[LiveResult, LagTotals] = {}
        self._engine: Counter[EngineEvent] = Counter()
        self._engine_s: dict[EngineEvent, float] = {}
        self._errors: Counter[tuple[str, str]] = Counter()

    def queued(self, lane: LaneName, change: int) -> None:
        """Adds up to the number that waits now."""
        with self._lock:
            was = self._lane(lane)
            self._lanes[lane] = replace(was, waiting=was.waiting + change)

    def taken(self, lane: LaneName, waited_s: float) -> None:
        """Adds up."""
        with self._lock:
            was = self._lane(lane)
            self._lanes[lane] = replace(
                was,
                taken=was.taken + 1,
                waited_s=was.waited_s + waited_s,
                longest_wait_s=max(was.longest_wait_s, waited_s),
            )

    def batch(self, lane: LaneName, clips: int, audio_s: float, engine_s: float) -> None:
        """Adds up."""
        with self._lock:
            was = self._lane(lane)
            self._lanes[lane] = replace(
                was,
                batches=was.batches + 1,
                clips=was.clips + clips,
                audio_s=was.audio_s + audio_s,
                engine_s=was.engine_s + engine_s,
            )

    def engine(self, event: EngineEvent, seconds: float) -> None:
        """Counts, and keeps the last seconds."""
        with self._lock:
            self._engine[event] += 1
            self._engine_s[event] = seconds

    def live(self, result: LiveResult, lag_s: float) -> None:
        """Adds up, and keeps the last lag."""
        with self._lock:
            was = self._lags.get(result, LagTotals())
            self._lags[result] = LagTotals(was.results + 1, was.lag_s + lag_s, lag_s)

    def error(self, api: str, code: str) -> None:
        """Counts."""
        with self._lock:
            self._errors[api, code] += 1

    def count(self, name: CountName, amount: int = 1) -> None:
        """Counts."""
        with self._lock:
            self._counts[name] += amount

    def totals(self, area: str) -> dict[str, int]:
        """The counters of an area ("jobs", "cache" ...) without its name, in the port's order."""
        names: tuple[CountName, ...] = get_args(CountName)
        prefix = f"{area}."
        with self._lock:
            return {n.removeprefix(prefix): self._counts[n] for n in names if n.startswith(prefix)}

    def observed(self) -> Observed:
        """A copy of everything."""
        with self._lock:
            return Observed(
                dict(self._counts), dict(self._lanes), dict(self._lags), dict(self._engine),
                dict(self._engine_s), dict(self._errors),
            )  # fmt: skip

    def _lane(self, lane: LaneName) -> LaneTotals:
        return self._lanes.get(lane, LaneTotals())
