"""A bounded queue in front of one engine, futures behind it, and a watch over its threads.

Threads sleep on a condition. What runs next is `batching.pick_batch`'s decision; this file only
moves clips in and results out.
"""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from typing import Literal

from zhiyin.core.batching import BatchPolicy, Lane, Waiting, pick_batch
from zhiyin.core.cost import CostModel
from zhiyin.core.crew import Call, Crew, Outcome
from zhiyin.core.listening import Feed
from zhiyin.core.tickets import Entry, SchedulerLimits, Ticket, retry_after
from zhiyin.domain.engine import Again, Clip, ClipResult, Plan
from zhiyin.domain.errors import (
    AsrError,
    DeadlineExceeded,
    EngineFailed,
    Overloaded,
    Unavailable,
)
from zhiyin.ports.engine import Engine

log = logging.getLogger(__name__)

State = Literal["new", "loading", "ready", "restarting", "failed", "closed"]
WarmUp = Callable[[Engine, Callable[[], float]], list[tuple[float, float]]]
"""Recognizes something with a new engine; gives (computed seconds, engine seconds) of calls."""

_STOPPING = "The service is stopping. Try again on another instance or later."
_NOT_RUNNING = "The recognition engine is not running. Try again later."
_LOST = "The recognition engine had to be restarted during this request. Try again."


class Scheduler:
    """Runs one engine. `start` once, `close` once; everything else from any thread.

    `make` gives a new engine, at the start and whenever the old one is stuck or dead.
    """

    def __init__(
        self,
        make: Callable[[], Engine],
        *,
        limits: SchedulerLimits | None = None,
        policy: BatchPolicy | None = None,
        warm_up: WarmUp | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.cost = CostModel()
        self._make = make
        self._limits = limits or SchedulerLimits()
        self._policy = policy or BatchPolicy()
        self._warm_up = warm_up
        self._clock = clock
        self._wake = threading.Condition()
        self._queue: dict[int, Entry] = {}
        self._tickets: set[Ticket] = set()
        self._numbers = itertools.count()
        self._virtual = 0.0
        self._state: State = "new"
        self._loaded: Future[None] = Future()
        self._crew = self._new_crew()
        self._restarts = 0
        self._stop = threading.Event()
        self._watchdog = threading.Thread(target=self._watch, name="zhiyin-watchdog", daemon=True)
        self.last_used = clock()

    @property
    def state(self) -> State:
        """Where the engine is in its life."""
        return self._state

    @property
    def version(self) -> str:
        """What the engine's texts come from; empty while there is no engine. See `ports.engine`."""
        engine = self._crew.engine
        return "" if engine is None else engine.version

    @property
    def busy(self) -> bool:
        """Whether any request is admitted."""
        return bool(self._tickets)

    def start(self) -> Future[None]:
        """Load the engine on its own thread; the future ends when it is ready or has failed."""
        self._state = "loading"
        self._crew.start()
        self._watchdog.start()
        return self._loaded

    def admit(self, lane: Lane, audio_s: float, timeout_s: float | None = None) -> Ticket:
        """A place for a request of about that many seconds of audio; Overloaded when full.

        Live sessions and jobs are always admitted; `core.live` and the number of workers bound
        them. Clips that still wait after `timeout_s` seconds fail with DeadlineExceeded.
        """
        predicted = self.cost.request(audio_s)
        with self._wake:
            if self._stop.is_set():
                raise Unavailable(_STOPPING)
            waiting = [t for t in self._tickets if t.lane is Lane.ONE_SHOT]
            backlog = sum(t.backlog_s for t in waiting)
            full = len(waiting) >= self._limits.max_requests
            excess = bool(waiting) and backlog + predicted > self._limits.max_backlog_s
            if lane is Lane.ONE_SHOT and (full or excess):
                threads = max(1, self._crew.size - 1)
                raise Overloaded(
                    "The server is busy; its queue is full. Try again later.",
                    retry_after_s=retry_after(waiting, predicted, self._limits, threads),
                )
            deadline = None if timeout_s is None else self._clock() + timeout_s
            bulk = predicted > self._policy.bulk_s
            ticket = Ticket(self, lane, predicted, deadline, bulk)
            self._tickets.add(ticket)
            self.last_used = self._clock()
        return ticket

    def close(self, timeout_s: float = 10.0) -> None:
        """Refuse new work, fail what waits, let the running calls end, free the engine."""
        with self._wake:
            self._stop.set()
            waiting = self._drain()
            self._wake.notify_all()
        for entry in waiting:
            entry.fail(Unavailable(_STOPPING))
        self._crew.join(timeout_s)
        self._state = "closed"

    def submit(self, ticket: Ticket, clip: Clip, lane: Lane) -> Future[ClipResult]:
        """Queue a clip of an admitted request; see `Ticket.submit`."""
        future: Future[ClipResult] = Future()
        engine = self._crew.engine
        with self._wake:
            if self._stop.is_set():
                raise Unavailable(_STOPPING)
            if self._state == "failed" or engine is None:
                raise Unavailable(_NOT_RUNNING)
            plan = _plan(engine, clip)
            cost = self.cost.predict(plan.seconds)
            ticket.tag = max(self._virtual, ticket.tag)
            ticket.spent_s += cost
            # A recording of undeclared length shows only now how long it is.
            long = ticket.spent_s > self._policy.bulk_s and not ticket.live
            ticket.bulk = ticket.bulk or long
            clip = replace(clip, bulk=ticket.bulk)
            waiting = Waiting(
                next(self._numbers), lane, ticket.tag, self._clock(), cost,
                plan.kind, ticket.deadline, ticket.bulk,
            )  # fmt: skip
            ticket.tag += cost
            self._queue[waiting.number] = Entry(waiting, clip, plan, ticket, future)
            self._wake.notify()
        return future

    def release(self, ticket: Ticket) -> None:
        """The request is over; what it still has in the queue is dropped."""
        with self._wake:
            ticket.released = True
            self._tickets.discard(ticket)
            self.last_used = self._clock()
        for future in tuple(ticket.futures):
            future.cancel()

    # What the crew's threads call; see `crew.Desk`.

    def loaded(self, crew: Crew) -> None:
        """The engine is ready."""
        with self._wake:
            if crew is self._crew and not self._stop.is_set():
                self._state = "ready"
                self._wake.notify_all()
        if not self._loaded.done():
            if self._stop.is_set():
                self._loaded.set_exception(Unavailable(_STOPPING))
            else:
                self._loaded.set_result(None)

    def failed(self, crew: Crew, error: BaseException) -> None:
        """The engine could not be loaded, or one of its threads has died."""
        expected = isinstance(error, AsrError)  # its message says it all
        log.error(
            "the engine failed: %s",
            error if expected else type(error).__name__,
            exc_info=None if expected else error,
        )
        if self._loaded.done():
            self._restart(crew)
            return
        self._state = "failed"
        wrapped = error if isinstance(error, AsrError) else EngineFailed("The engine can't load.")
        if wrapped is not error:
            wrapped.__cause__ = error
        self._loaded.set_exception(wrapped)

    def take(self, crew: Crew) -> Call | None:
        """The next call for a thread of the crew; None when it is to go home."""
        with self._wake:
            crew.idle += 1
            while crew is self._crew and not self._stop.is_set():
                call = self._pick(crew)
                if call is not None:
                    crew.idle -= 1
                    crew.calls.add(call)
                    return call
                self._wake.wait()
        return None

    def settle(self, crew: Crew, call: Call, outcomes: list[Outcome]) -> None:
        """A call is over: answer its entries, or queue those that go round again."""
        now = self._clock()
        done: list[tuple[Entry, ClipResult | AsrError]] = []
        with self._wake:
            crew.calls.discard(call)
            if call.given_up:
                return
            if not all(isinstance(o, AsrError) for o in outcomes):
                self._restarts = 0
            audio_s = sum(e.clip.seconds for e in call.entries)
            computed_s = call.entries[0].plan.seconds
            if not isinstance(call.entries[0].clip, Feed):  # it heard part of its sound before
                self.cost.observe(computed_s, audio_s, len(call.entries), now - call.begun)
            for entry, outcome in zip(call.entries, outcomes, strict=True):
                if isinstance(outcome, Again):
                    self._again(crew, entry, outcome.clip)
                else:
                    done.append((entry, outcome))
            if call.final:
                self._wake.notify_all()  # partial results may have waited for it
        for entry, outcome in done:
            if isinstance(outcome, AsrError):
                entry.future.set_exception(outcome)
            else:
                entry.future.set_result(outcome)

    def inspect(self) -> None:
        """Start the engine anew when one of its calls has lasted too long."""
        crew, limit = self._crew, self._clock() - self._limits.stuck_s
        with self._wake:
            stuck = [c for c in crew.calls if c.begun < limit]
        if stuck:
            log.error("the engine is stuck; it is started anew")
            self._restart(crew)

    def _again(self, crew: Crew, entry: Entry, clip: Clip) -> None:
        assert crew.engine is not None
        entry.clip, entry.plan = clip, crew.engine.plan(clip)
        cost = self.cost.predict(entry.plan.seconds)
        entry.waiting = replace(entry.waiting, cost=cost, kind=entry.plan.kind)
        self._queue[entry.waiting.number] = entry
        self._wake.notify()

    def _pick(self, crew: Crew) -> Call | None:
        """The next call, under the lock; entries that nobody wants or that are late go first."""
        assert crew.engine is not None
        for number in [n for n, e in self._queue.items() if e.unwanted]:
            self._queue.pop(number).future.cancel()
        now = self._clock()
        can = min(self._policy.max_batch, crew.engine.capabilities.max_batch)
        policy = replace(self._policy, max_batch=can)
        pick = pick_batch((e.waiting for e in self._queue.values()), policy, now, crew.room)
        for number in pick.expired:
            late = DeadlineExceeded("The result did not come within the time limit.")
            self._queue.pop(number).fail(late)
        batch = [self._queue.pop(n) for n in pick.batch]
        wanted = [e for e in batch if e.start()]
        if not wanted:  # of a batch whose callers all left this instant, nothing is left
            return self._pick(crew) if batch else None
        self._virtual = max(self._virtual, wanted[0].waiting.tag)
        return Call(wanted, now, any(e.waiting.bulk for e in wanted))

    def _new_crew(self) -> Crew:
        return Crew(self._make, self._prove, self)

    def _prove(self, engine: Engine) -> None:
        if self._warm_up is not None:
            self.cost.seed(self._warm_up(engine, self._clock))

    def _restart(self, crew: Crew) -> None:
        """Give the crew up: fail what it runs, and let a new one take over, or nobody."""
        with self._wake:
            if crew is not self._crew or self._stop.is_set():
                return
            self._restarts += 1
            hopeless = self._restarts > self._limits.max_restarts
            lost = [e for c in crew.calls for e in c.entries]
            for call in crew.calls:
                call.given_up = True
            self._crew = self._new_crew()
            self._crew.engine = None if hopeless else crew.engine  # `plan` works on
            self._state = "failed" if hopeless else "restarting"
            lost += self._drain() if hopeless else []
            self._wake.notify_all()
        for entry in lost:
            entry.fail(EngineFailed(_LOST))
        if not hopeless:
            self._crew.start()

    def _drain(self) -> list[Entry]:
        waiting = list(self._queue.values())
        self._queue.clear()
        return waiting

    def _watch(self) -> None:
        while not self._stop.wait(self._limits.stuck_s / 4):
            self.inspect()


def _plan(engine: Engine, clip: Clip) -> Plan:
    """A stream's feed runs alone."""
    return Plan(clip.seconds, clip.listener) if isinstance(clip, Feed) else engine.plan(clip)
