"""Observer port: what is reported of the work, as a source of metrics. Plain data only.

docs/operations.md has the table of what is observed; a test holds it against this file.
"""

from __future__ import annotations

from typing import Literal, Protocol

LaneName = Literal["final", "partial", "one_shot", "job"]
EngineEvent = Literal["loaded", "restarted", "failed"]
LiveResult = Literal["partial", "final"]
CountName = Literal[
    "cache.hits", "cache.misses", "cache.bypassed", "cache.failures", "cache.damaged",
    "history.kept", "history.dropped", "history.failures",
    "sweep.runs", "sweep.removed", "sweep.failures",
    "live.opened", "live.closed",
    "jobs.queued_again", "jobs.leases_lost", "jobs.jobs_expired", "jobs.audio_deleted",
    "jobs.jobs_forgotten", "jobs.orphans_deleted", "jobs.webhooks_delivered",
    "jobs.webhooks_failed", "jobs.webhooks_given_up",
]  # fmt: skip


class Observer(Protocol):
    """Called from the event loop and from engine threads; must not block and must not raise."""

    def queued(self, lane: LaneName, change: int) -> None:
        """The number of clips that wait in a lane of an engine's queue has changed by that."""
        ...

    def taken(self, lane: LaneName, waited_s: float) -> None:
        """An engine thread takes a clip that waited so many seconds."""
        ...

    def batch(self, lane: LaneName, clips: int, audio_s: float, engine_s: float) -> None:
        """An engine call over so many clips has ended; `lane` is that of its first clip."""
        ...

    def engine(self, event: EngineEvent, seconds: float) -> None:
        """An engine is loaded, is replaced or has failed, so many seconds after it was started."""
        ...

    def live(self, result: LiveResult, lag_s: float) -> None:
        """A live session has a result, so many seconds after it was due."""
        ...

    def error(self, api: str, code: str) -> None:
        """A request to an API (the path of its route) was answered with an error code."""
        ...

    def count(self, name: CountName, amount: int = 1) -> None:
        """Something has happened so many times more."""
        ...


class Unobserved:
    """Implements `Observer`: drops everything."""

    def queued(self, lane: LaneName, change: int) -> None:
        """Dropped."""

    def taken(self, lane: LaneName, waited_s: float) -> None:
        """Dropped."""

    def batch(self, lane: LaneName, clips: int, audio_s: float, engine_s: float) -> None:
        """Dropped."""

    def engine(self, event: EngineEvent, seconds: float) -> None:
        """Dropped."""

    def live(self, result: LiveResult, lag_s: float) -> None:
        """Dropped."""

    def error(self, api: str, code: str) -> None:
        """Dropped."""

    def count(self, name: CountName, amount: int = 1) -> None:
        """Dropped."""


UNOBSERVED: Observer = Unobserved()
