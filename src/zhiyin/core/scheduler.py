"""One thread per loaded engine, a bounded queue in front of it, futures behind it.

The thread sleeps on a condition, never polls. What runs next is `batching.pick_batch`'s
decision; this file only moves clips in and results out.
"""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Literal

from zhiyin.core.batching import BatchPolicy, Lane, Waiting, pick_batch
from zhiyin.core.cost import CostModel
from zhiyin.domain.engine import Clip, ClipResult
from zhiyin.domain.errors import (
    AsrError,
    DeadlineExceeded,
    EngineFailed,
    Overloaded,
    Unavailable,
)
from zhiyin.ports.engine import Engine

log = logging.getLogger(__name__)

State = Literal["new", "loading", "ready", "failed", "closed"]
_STOPPING = "The service is stopping. Try again on another instance or later."


@dataclass(frozen=True, slots=True)
class SchedulerLimits:
    """`max_requests` admitted at once, with at most `max_backlog_s` of predicted work."""

    max_requests: int = 64
    max_backlog_s: float = 600.0


@dataclass(slots=True)
class _Entry:
    waiting: Waiting
    clip: Clip
    future: Future[ClipResult]


@dataclass(eq=False, slots=True)
class Ticket:
    """One admitted request: its clips are always taken. A context manager; leaving releases it."""

    scheduler: Scheduler
    lane: Lane
    backlog_s: float
    deadline: float | None
    tag: float = 0.0
    futures: set[Future[ClipResult]] = field(default_factory=set)

    def submit(self, clip: Clip) -> Future[ClipResult]:
        """Queue a clip; cancelling the future takes it out again."""
        future = self.scheduler._submit(self, clip)
        self.futures.add(future)
        future.add_done_callback(self.futures.discard)
        return future

    def remaining(self, audio_s: float) -> None:
        """Tell how many seconds of the request's audio are still to come."""
        self.backlog_s = self.scheduler.cost.predict(audio_s) if audio_s > 0 else 0.0

    def __enter__(self) -> Ticket:
        return self

    def __exit__(self, *exc: object) -> None:
        self.scheduler._release(self)


class Scheduler:
    """Runs one engine. `start` once, `close` once; everything else from any thread."""

    def __init__(
        self,
        engine: Engine,
        *,
        limits: SchedulerLimits | None = None,
        policy: BatchPolicy | None = None,
        warm_up: Callable[[Engine], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.engine = engine
        self.cost = CostModel()
        self._limits = limits or SchedulerLimits()
        self._policy = policy or BatchPolicy(max_batch=engine.capabilities.max_batch)
        self._warm_up = warm_up
        self._clock = clock
        self._wake = threading.Condition()
        self._queue: dict[int, _Entry] = {}
        self._tickets: set[Ticket] = set()
        self._numbers = itertools.count()
        self._virtual = 0.0
        self._closing = False
        self._state: State = "new"
        self._loaded: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, name="zhiyin-engine", daemon=True)
        self.last_used = clock()

    @property
    def state(self) -> State:
        """Where the engine is in its life."""
        return self._state

    @property
    def busy(self) -> bool:
        """Whether any request is admitted."""
        return bool(self._tickets)

    def start(self) -> Future[None]:
        """Load the engine on its own thread; the future ends when it is ready or has failed."""
        self._state = "loading"
        self._thread.start()
        return self._loaded

    def admit(self, lane: Lane, audio_s: float, deadline: float | None = None) -> Ticket:
        """A place for a request of about that many seconds of audio; Overloaded when full."""
        predicted = self.cost.predict(audio_s)
        with self._wake:
            if self._closing:
                raise Unavailable(_STOPPING)
            backlog = sum(t.backlog_s for t in self._tickets)
            full = len(self._tickets) >= self._limits.max_requests
            if full or (self._tickets and backlog + predicted > self._limits.max_backlog_s):
                raise Overloaded(
                    "The server is busy; its queue is full. Try again later.",
                    retry_after_s=min(120.0, max(1.0, backlog / max(1, len(self._tickets)))),
                )
            ticket = Ticket(self, lane, predicted, deadline)
            self._tickets.add(ticket)
            self.last_used = self._clock()
        return ticket

    def close(self, timeout_s: float = 10.0) -> None:
        """Refuse new work, fail what waits, let the running batch end, free the engine."""
        with self._wake:
            self._closing = True
            waiting = list(self._queue.values())
            self._queue.clear()
            self._wake.notify_all()
        for entry in waiting:
            _fail(entry, Unavailable(_STOPPING))
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        self._state = "closed"

    def _submit(self, ticket: Ticket, clip: Clip) -> Future[ClipResult]:
        future: Future[ClipResult] = Future()
        with self._wake:
            if self._closing or self._state == "failed":
                raise Unavailable(_STOPPING if self._closing else "The engine is not running.")
            cost = self.cost.predict(clip.seconds)
            ticket.tag = max(self._virtual, ticket.tag)
            waiting = Waiting(
                next(self._numbers), ticket.lane, ticket.tag, self._clock(), cost,
                kind=clip.options, deadline=ticket.deadline,
            )  # fmt: skip
            ticket.tag += cost
            self._queue[waiting.number] = _Entry(waiting, clip, future)
            self._wake.notify()
        return future

    def _release(self, ticket: Ticket) -> None:
        for future in tuple(ticket.futures):
            future.cancel()
        with self._wake:
            self._tickets.discard(ticket)
            self.last_used = self._clock()

    def _run(self) -> None:
        try:
            self.engine.load()
            if self._warm_up is not None:
                self._warm_up(self.engine)
        except Exception as error:  # the engine thread: nothing above it could answer
            self._load_failed(error)
            return
        self._state = "ready"
        self._loaded.set_result(None)
        while (entries := self._next()) is not None:
            if entries:
                self._execute(entries)
        self.engine.close()

    def _load_failed(self, error: Exception) -> None:
        log.error("engine failed to load: %s", type(error).__name__)
        self._state = "failed"
        wrapped = error if isinstance(error, AsrError) else EngineFailed("The engine can't load.")
        wrapped.__cause__ = error if wrapped is not error else error.__cause__
        self._loaded.set_exception(wrapped)

    def _next(self) -> list[_Entry] | None:
        """The next batch; empty when nothing of it was left to do; None at the end."""
        with self._wake:
            while not self._queue and not self._closing:
                self._wake.wait()
            if self._closing:
                return None
            for number in [n for n, e in self._queue.items() if e.future.cancelled()]:
                del self._queue[number]
            entries = (e.waiting for e in self._queue.values())
            pick = pick_batch(entries, self._policy, self._clock())
            expired = [self._queue.pop(n) for n in pick.expired]
            batch = [self._queue.pop(n) for n in pick.batch]
            if batch:
                self._virtual = max(self._virtual, batch[0].waiting.tag)
        for entry in expired:
            _fail(entry, DeadlineExceeded("The result did not come within the time limit."))
        return [e for e in batch if e.future.set_running_or_notify_cancel()]

    def _execute(self, entries: list[_Entry]) -> None:
        begun = self._clock()
        clips = [e.clip for e in entries]
        for entry, result in zip(entries, self._transcribe(clips), strict=True):
            if isinstance(result, AsrError):
                entry.future.set_exception(result)
            else:
                entry.future.set_result(result)
        self.cost.observe(sum(c.seconds for c in clips), len(clips), self._clock() - begun)

    def _transcribe(self, clips: Sequence[Clip]) -> list[ClipResult | AsrError]:
        try:
            results = self.engine.transcribe_batch(clips)
            if len(results) != len(clips):
                raise EngineFailed("The engine gave a wrong number of results.")
            return results
        except Exception as error:  # the engine thread: one bad clip must not end it
            if len(clips) > 1:
                return [r for clip in clips for r in self._transcribe([clip])]
            log.error("engine failed on a clip: %s", type(error).__name__, exc_info=error)
            if isinstance(error, AsrError):
                return [error]
            return [EngineFailed("The engine failed on this recording.")]


def _fail(entry: _Entry, error: AsrError) -> None:
    if entry.future.set_running_or_notify_cancel():
        entry.future.set_exception(error)
