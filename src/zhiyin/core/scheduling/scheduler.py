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

from zhiyin.core.scheduling.admission import Admission, QueueEntry, SchedulerLimits, retry_after
from zhiyin.core.scheduling.batching import BatchPolicy, Lane, Waiting, pick_batch
from zhiyin.core.scheduling.cost import CostModel
from zhiyin.core.scheduling.fairness import FairShares
from zhiyin.core.scheduling.streams import StreamClip
from zhiyin.core.scheduling.workers import ClipOutcome, EngineCall, EngineWorkers
from zhiyin.domain.caller import Caller
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
        self._queue: dict[int, QueueEntry] = {}
        self._admissions: set[Admission] = set()
        self._numbers = itertools.count()
        self._shares = FairShares()
        self._state: State = "new"
        self._loaded: Future[None] = Future()
        self._workers = self._new_workers()
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
        engine = self._workers.engine
        return "" if engine is None else engine.version

    @property
    def busy(self) -> bool:
        """Whether any request is admitted."""
        return bool(self._admissions)

    def start(self) -> Future[None]:
        """Load the engine on its own thread; the future ends when it is ready or has failed."""
        self._state = "loading"
        self._workers.start()
        self._watchdog.start()
        return self._loaded

    def admit(
        self, caller: Caller, lane: Lane, audio_s: float, timeout_s: float | None = None
    ) -> Admission:
        """A place for a request of about that many seconds of audio; Overloaded when full.

        Live sessions and jobs are always admitted; `core.live` and the number of job workers
        bound them. Clips that still wait after `timeout_s` seconds fail with DeadlineExceeded.
        """
        predicted = self.cost.request(audio_s)
        with self._wake:
            if self._stop.is_set():
                raise Unavailable(_STOPPING)
            waiting = [t for t in self._admissions if t.lane is Lane.ONE_SHOT]
            backlog = sum(t.backlog_s for t in waiting)
            full = len(waiting) >= self._limits.max_requests
            most = caller.limits.max_requests
            theirs = sum(a.caller.owner == caller.owner for a in waiting)
            full = full or (most is not None and theirs >= most)
            excess = bool(waiting) and backlog + predicted > self._limits.max_backlog_s
            if lane is Lane.ONE_SHOT and (full or excess):
                threads = max(1, self._workers.size - 1)
                raise Overloaded(
                    "The server is busy; its queue is full. Try again later.",
                    retry_after_s=retry_after(waiting, predicted, self._limits, threads),
                )
            deadline = None if timeout_s is None else self._clock() + timeout_s
            bulk = predicted > self._policy.bulk_s
            admission = Admission(self, caller, lane, predicted, deadline, bulk)
            self._admissions.add(admission)
            self.last_used = self._clock()
        return admission

    def close(self, timeout_s: float = 10.0) -> None:
        """Refuse new work, fail what waits, let the running calls end, free the engine."""
        with self._wake:
            self._stop.set()
            waiting = self._drain()
            self._wake.notify_all()
        for entry in waiting:
            entry.fail(Unavailable(_STOPPING))
        self._workers.join(timeout_s)
        self._state = "closed"

    def submit(self, admission: Admission, clip: Clip, lane: Lane) -> Future[ClipResult]:
        """Queue a clip of an admitted request; see `Admission.submit`."""
        future: Future[ClipResult] = Future()
        engine = self._workers.engine
        with self._wake:
            if self._stop.is_set():
                raise Unavailable(_STOPPING)
            if self._state == "failed" or engine is None:
                raise Unavailable(_NOT_RUNNING)
            plan = _plan(engine, clip)
            cost = self.cost.predict(plan.seconds)
            owner = admission.caller.owner
            idle = all(e.waiting.owner != owner for e in self._queue.values())
            admission.tag = self._shares.arrive(owner, admission.tag, idle=idle)
            admission.spent_s += cost
            # A recording of undeclared length shows only now how long it is.
            long = admission.spent_s > self._policy.bulk_s and not admission.live
            admission.bulk = admission.bulk or long
            clip = replace(clip, bulk=admission.bulk)
            waiting = Waiting(
                next(self._numbers), lane, admission.tag, self._clock(), cost,
                plan.kind, admission.deadline, admission.bulk, owner,
            )  # fmt: skip
            admission.tag += cost
            self._queue[waiting.number] = QueueEntry(waiting, clip, plan, admission, future)
            self._wake.notify()
        return future

    def release(self, admission: Admission) -> None:
        """The request is over; what it still has in the queue is dropped."""
        with self._wake:
            admission.released = True
            self._admissions.discard(admission)
            self.last_used = self._clock()
        for future in tuple(admission.futures):
            future.cancel()

    # What the crew's threads call; see `crew.Desk`.

    def loaded(self, workers: EngineWorkers) -> None:
        """The engine is ready."""
        with self._wake:
            if workers is self._workers and not self._stop.is_set():
                self._state = "ready"
                self._wake.notify_all()
        if not self._loaded.done():
            if self._stop.is_set():
                self._loaded.set_exception(Unavailable(_STOPPING))
            else:
                self._loaded.set_result(None)

    def failed(self, workers: EngineWorkers, error: BaseException) -> None:
        """The engine could not be loaded, or one of its threads has died."""
        expected = isinstance(error, AsrError)  # its message says it all
        log.error(
            "the engine failed: %s",
            error if expected else type(error).__name__,
            exc_info=None if expected else error,
        )
        if self._loaded.done():
            self._restart(workers)
            return
        self._state = "failed"
        wrapped = error if isinstance(error, AsrError) else EngineFailed("The engine can't load.")
        if wrapped is not error:
            wrapped.__cause__ = error
        self._loaded.set_exception(wrapped)

    def take(self, workers: EngineWorkers) -> EngineCall | None:
        """The next call for a thread of the crew; None when it is to go home."""
        with self._wake:
            workers.idle += 1
            while workers is self._workers and not self._stop.is_set():
                call = self._pick(workers)
                if call is not None:
                    workers.idle -= 1
                    workers.calls.add(call)
                    return call
                self._wake.wait()
        return None

    def settle(self, workers: EngineWorkers, call: EngineCall, outcomes: list[ClipOutcome]) -> None:
        """A call is over: answer its entries, or queue those that go round again."""
        now = self._clock()
        done: list[tuple[QueueEntry, ClipResult | AsrError]] = []
        with self._wake:
            workers.calls.discard(call)
            if call.given_up:
                return
            if not all(isinstance(o, AsrError) for o in outcomes):
                self._restarts = 0
            audio_s = sum(e.clip.seconds for e in call.entries)
            computed_s = call.entries[0].plan.seconds
            if not isinstance(
                call.entries[0].clip, StreamClip
            ):  # it heard part of its sound before
                self.cost.observe(computed_s, audio_s, len(call.entries), now - call.begun)
            for entry, outcome in zip(call.entries, outcomes, strict=True):
                if isinstance(outcome, Again):
                    self._again(workers, entry, outcome.clip)
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
        workers, limit = self._workers, self._clock() - self._limits.stuck_s
        with self._wake:
            stuck = [c for c in workers.calls if c.begun < limit]
        if stuck:
            log.error("the engine is stuck; it is started anew")
            self._restart(workers)

    def _again(self, workers: EngineWorkers, entry: QueueEntry, clip: Clip) -> None:
        assert workers.engine is not None
        entry.clip, entry.plan = clip, workers.engine.plan(clip)
        cost = self.cost.predict(entry.plan.seconds)
        entry.waiting = replace(entry.waiting, cost=cost, kind=entry.plan.kind)
        self._queue[entry.waiting.number] = entry
        self._wake.notify()

    def _pick(self, workers: EngineWorkers) -> EngineCall | None:
        """The next call, under the lock; entries that nobody wants or that are late go first."""
        assert workers.engine is not None
        for number in [n for n, e in self._queue.items() if e.unwanted]:
            self._queue.pop(number).future.cancel()
        now = self._clock()
        can = min(self._policy.max_batch, workers.engine.capabilities.max_batch)
        policy = replace(self._policy, max_batch=can)
        pick = pick_batch(
            (e.waiting for e in self._queue.values()),
            policy,
            now,
            workers.capacity,
            self._shares.of,
        )
        for number in pick.expired:
            late = DeadlineExceeded("The result did not come within the time limit.")
            self._queue.pop(number).fail(late)
        batch = [self._queue.pop(n) for n in pick.batch]
        wanted = [e for e in batch if e.start()]
        if not wanted:  # of a batch whose callers all left this instant, nothing is left
            return self._pick(workers) if batch else None
        for entry in wanted:
            waiting = entry.waiting
            self._shares.serve(waiting.owner, waiting.tag, waiting.cost)
        return EngineCall(wanted, now, any(e.waiting.bulk for e in wanted))

    def _new_workers(self) -> EngineWorkers:
        return EngineWorkers(self._make, self._prove, self)

    def _prove(self, engine: Engine) -> None:
        if self._warm_up is not None:
            self.cost.seed(self._warm_up(engine, self._clock))

    def _restart(self, workers: EngineWorkers) -> None:
        """Give the crew up: fail what it runs, and let a new one take over, or nobody."""
        with self._wake:
            if workers is not self._workers or self._stop.is_set():
                return
            self._restarts += 1
            hopeless = self._restarts > self._limits.max_restarts
            lost = [e for c in workers.calls for e in c.entries]
            for call in workers.calls:
                call.given_up = True
            self._workers = self._new_workers()
            self._workers.engine = None if hopeless else workers.engine  # `plan` works on
            self._state = "failed" if hopeless else "restarting"
            lost += self._drain() if hopeless else []
            self._wake.notify_all()
        for entry in lost:
            entry.fail(EngineFailed(_LOST))
        if not hopeless:
            self._workers.start()

    def _drain(self) -> list[QueueEntry]:
        waiting = list(self._queue.values())
        self._queue.clear()
        return waiting

    def _watch(self) -> None:
        while not self._stop.wait(self._limits.stuck_s / 4):
            self.inspect()


def _plan(engine: Engine, clip: Clip) -> Plan:
    """A stream's feed runs alone."""
    return Plan(clip.seconds, clip.stream) if isinstance(clip, StreamClip) else engine.plan(clip)
