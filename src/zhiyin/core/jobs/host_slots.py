"""Concurrency of requests to clients' addresses: bounded in all and for each host.

Who gets no slot is given a time to come again. Those times are spread, as if they queued, so that
thousands of requests to one slow host cost little while they wait, and no other host waits for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

_USUAL_S = 0.1  # of a request, until there has been one
_WEIGHT = 0.3  # of the newest in the mean
_LEAST_WAIT_S, _LONGEST_WAIT_S = 0.2, 60.0
_MOST_IDLE = 1000


@dataclass(slots=True)
class _Slots:
    limit: int
    running: int = 0
    mean_s: float = _USUAL_S
    booked: float = 0.0  # until when those queue who were sent away

    def wait_s(self, now: float) -> float:
        """The next one's turn."""
        self.booked = max(self.booked, now) + self.mean_s / self.limit
        return max(_LEAST_WAIT_S, self.booked - now)

    def idle(self, now: float) -> bool:
        return self.running == 0 and self.booked <= now


@dataclass(slots=True)
class HostSlots:
    """`total` requests at once, `per_host` of them to one host; used from the event loop."""

    total: int
    per_host: int
    clock: Callable[[], float] = time.monotonic
    _all: _Slots = field(init=False)
    _hosts: dict[str, _Slots] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._all = _Slots(self.total)

    def take(self, url: str) -> float:
        """Take a slot for the URL's host: 0, or the seconds after which to try again."""
        now = self.clock()
        slots = self._of(url)
        for full in (slots, self._all):
            if full.running >= full.limit:
                return min(_LONGEST_WAIT_S, full.wait_s(now))
        slots.running += 1
        self._all.running += 1
        return 0.0

    def release(self, url: str, took_s: float | None = None) -> None:
        """Give the slot back, after `took_s` seconds of a request; None: there was none."""
        for slots in (self._of(url), self._all):
            slots.running -= 1
            if took_s is not None:
                slots.mean_s += _WEIGHT * (took_s - slots.mean_s)

    def _of(self, url: str) -> _Slots:
        name = _host(url)
        if name not in self._hosts:
            if len(self._hosts) >= _MOST_IDLE:
                now = self.clock()
                self._hosts = {h: s for h, s in self._hosts.items() if not s.idle(now)}
            self._hosts[name] = _Slots(self.per_host)
        return self._hosts[name]


def _host(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:
        return ""
