"""The bounded queue in front of one engine: admission, fairness, and which batch runs next.

Threads sleep on a condition. What runs next is `batching.pick_batch`'s decision; this file only
moves clips in and results out.
"""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace

from zhiyin.core.scheduling.batching import BatchPolicy, Lane, Waiting, pick_batch
from zhiyin.core.scheduling.cost import CostModel
from zhiyin.core.scheduling.entries import (
    AdmittedRequest,
    ClipOutcome,
    Consumer,
    EngineCall,
    NextPass,
    QueueEntry,
    SchedulerLimits,
    backlog_s,
    retry_after,
)
from zhiyin.core.scheduling.fairness import FairShares
from zhiyin.core.scheduling.streams import StreamClip
from zhiyin.domain.caller import Caller
from zhiyin.domain.engine import Clip, ClipResult, Plan
from zhiyin.domain.errors import AsrError, DeadlineExceeded, Overloaded, Unavailable
from zhiyin.ports.observer import UNOBSERVED, LaneName, Observer

STOPPING = "The service is stopping. Try again on another instance or later."
_NOT_RUNNING = "The recognition engine is not running. Try again later."

LANES: dict[Lane, LaneName] = {
    Lane.FINAL: "final",
    Lane.PARTIAL: "partial",
    Lane.ONE_SHOT: "one_shot",
    Lane.JOB: "job",
}
"""As observers know them."""

Planner = Callable[[Clip], Plan]


class Queue:
    """Admitted requests and their waiting clips; from any thread.

    Clips are taken between `open` and `refuse`, requests until `close`.
    """

    def __init__(
        self,
        limits: SchedulerLimits,
        policy: BatchPolicy,
        clock: Callable[[], float],
        observer: Observer = UNOBSERVED,
    ) -> None:
        self.cost = CostModel()
        self.last_used = clock()
        self._limits = limits
        self._policy = policy
        self._clock = clock
        self._observer = observer
        self._depths: Counter[Lane] = Counter()
        self._lock = threading.Condition()
        self._entries: dict[int, QueueEntry] = {}
        self._requests: set[AdmittedRequest] = set()
        self._numbers = itertools.count()
        self._shares = FairShares()
        self._plan: Planner | None = None
        self._closed = False

    @property
    def waiting(self) -> int:
        """Clips that no thread has taken yet."""
        return len(self._entries)

    @property
    def admitted(self) -> int:
        """Requests that are not released yet."""
        return len(self._requests)

    @property
    def is_open(self) -> bool:
        """Whether an engine runs for what is submitted, or is being restarted."""
        return self._plan is not None

    # For the life cycle of the engine; what must fail is handed back, to be failed by the caller.

    def open(self, plan: Planner) -> None:
        """Take clips from now on; `plan` is the engine's, called under the lock."""
        with self._lock:
            self._plan = plan

    def refuse(self) -> list[QueueEntry]:
        """Take no clips any more, until `open`; those that wait."""
        with self._lock:
            self._plan = None
            return self._drain()

    def close(self) -> list[QueueEntry]:
        """Admit and take nothing any more; those that wait."""
        with self._lock:
            self._closed = True
            self._lock.notify_all()
            return self._drain()

    def retire(self, consumer: Consumer) -> list[QueueEntry]:
        """Give up an engine's calls and let its threads end; the entries of those calls."""
        with self._lock:
            consumer.retired = True
            for call in consumer.calls:
                call.given_up = True
            self._lock.notify_all()
            return [e for c in consumer.calls for e in c.entries]

    def is_stuck(self, consumer: Consumer, stuck_s: float) -> bool:
        """Whether one of its calls has lasted longer than that."""
        limit = self._clock() - stuck_s
        with self._lock:
            return any(c.begun < limit for c in consumer.calls)

    # For requests; see `Scheduler.admit` and `Admission`.

    def admit(
        self, caller: Caller, lane: Lane, audio_s: float, timeout_s: float | None, threads: int
    ) -> AdmittedRequest:
        """Admit a request of about that many seconds of audio. Raises Overloaded, Unavailable."""
        predicted = self.cost.request(audio_s)
        with self._lock:
            if self._closed:
                raise Unavailable(STOPPING)
            waiting = [r for r in self._requests if r.lane is Lane.ONE_SHOT]
            if lane is Lane.ONE_SHOT and self._is_full(waiting, caller, predicted):
                raise Overloaded(
                    "The server is busy; its queue is full. Try again later.",
                    retry_after_s=retry_after(waiting, predicted, self._limits, threads),
                )
            deadline = None if timeout_s is None else self._clock() + timeout_s
            bulk = predicted > self._policy.bulk_s
            request = AdmittedRequest(caller, lane, predicted, deadline, bulk)
            self._requests.add(request)
            self.last_used = self._clock()
        return request

    def submit(self, request: AdmittedRequest, clip: Clip, lane: Lane) -> Future[ClipResult]:
        """Queue a clip of an admitted request. Raises Unavailable."""
        future: Future[ClipResult] = Future()
        with self._lock:
            if self._closed:
                raise Unavailable(STOPPING)
            if self._plan is None:
                raise Unavailable(_NOT_RUNNING)
            plan = self._plan(clip)
            waiting = self._waiting(request, plan, lane)
            clip = replace(clip, bulk=request.bulk)
            self._entries[waiting.number] = QueueEntry(waiting, clip, plan, request, future)
            self._observe_depths()
            self._lock.notify()
        return future

    def release(self, request: AdmittedRequest) -> None:
        """The request is over; what it still has in the queue is dropped."""
        with self._lock:
            request.released = True
            self._requests.discard(request)
            self.last_used = self._clock()
        for future in tuple(request.futures):
            future.cancel()

    # For the engine's threads.

    def take(self, consumer: Consumer) -> EngineCall | None:
        """The next call; None when the thread is to end. Blocks."""
        with self._lock:
            consumer.idle += 1
            while not (consumer.retired or self._closed):
                call = self._pick(consumer)
                self._observe_depths()
                if call is not None:
                    consumer.idle -= 1
                    consumer.calls.add(call)
                    return call
                self._lock.wait()
        return None

    def settle(self, consumer: Consumer, call: EngineCall, outcomes: Sequence[ClipOutcome]) -> None:
        """A call is over: answer its entries, or queue those that need another pass."""
        now = self._clock()
        done: list[tuple[QueueEntry, ClipResult | AsrError]] = []
        with self._lock:
            consumer.calls.discard(call)
            if call.given_up:
                return
            if not all(isinstance(o, AsrError) for o in outcomes):
                consumer.answered = True
            self._learn(call, now - call.begun)
            self._observe_call(call, now - call.begun)
            for entry, outcome in zip(call.entries, outcomes, strict=True):
                if isinstance(outcome, NextPass):
                    self._requeue(entry, outcome)
                else:
                    done.append((entry, outcome))
            if call.final:
                self._lock.notify_all()  # partial results may have waited for it
        for entry, outcome in done:
            if isinstance(outcome, AsrError):
                entry.future.set_exception(outcome)
            else:
                entry.future.set_result(outcome)

    def _is_full(
        self, waiting: Sequence[AdmittedRequest], caller: Caller, predicted_s: float
    ) -> bool:
        most = caller.limits.max_requests
        theirs = sum(r.caller.owner == caller.owner for r in waiting)
        full = len(waiting) >= self._limits.max_requests or (most is not None and theirs >= most)
        backlog = backlog_s(waiting, predicted_s)
        return full or (bool(waiting) and backlog > self._limits.max_backlog_s)

    def _waiting(self, request: AdmittedRequest, plan: Plan, lane: Lane) -> Waiting:
        """The clip's place in the order; the request is charged for it."""
        cost = self.cost.predict(plan.seconds)
        owner = request.caller.owner
        idle = all(e.waiting.owner != owner for e in self._entries.values())
        tag = self._shares.arrive(owner, request.tag, idle=idle)
        request.tag = tag + cost
        request.spent_s += cost
        # A recording of undeclared length shows only now how long it is.
        long = request.spent_s > self._policy.bulk_s and not request.live
        request.bulk = request.bulk or long
        return Waiting(
            next(self._numbers), lane, tag, self._clock(), cost, plan.kind, request.deadline,
            request.bulk, owner,
        )  # fmt: skip

    def _learn(self, call: EngineCall, elapsed_s: float) -> None:
        first, clips = call.entries[0], len(call.entries)
        if isinstance(first.clip, StreamClip):  # it took part of its samples before
            return
        audio_s = sum(e.clip.seconds for e in call.entries)
        self.cost.observe(first.plan.seconds, audio_s, clips, elapsed_s)

    def _observe_call(self, call: EngineCall, engine_s: float) -> None:
        clips = [e.clip.seconds for e in call.entries]
        lane = LANES[call.entries[0].waiting.lane]
        self._observer.batch(lane, len(clips), sum(clips), engine_s)

    def _observe_depths(self) -> None:
        """Report the lanes whose number of waiting clips has changed."""
        now = Counter(e.waiting.lane for e in self._entries.values())
        for lane, name in LANES.items():
            if change := now[lane] - self._depths[lane]:
                self._observer.queued(name, change)
        self._depths = now

    def _requeue(self, entry: QueueEntry, again: NextPass) -> None:
        entry.clip, entry.plan = again.clip, again.plan
        cost = self.cost.predict(again.plan.seconds)
        entry.waiting = replace(entry.waiting, cost=cost, kind=again.plan.kind)
        self._entries[entry.waiting.number] = entry
        self._lock.notify()

    def _pick(self, consumer: Consumer) -> EngineCall | None:
        """The next call; unwanted entries and late ones leave the queue first."""
        for number in [n for n, e in self._entries.items() if e.unwanted]:
            self._entries.pop(number).future.cancel()
        now = self._clock()
        policy = replace(self._policy, max_batch=min(self._policy.max_batch, consumer.max_batch))
        entries = (e.waiting for e in self._entries.values())
        pick = pick_batch(entries, policy, now, consumer.capacity, self._shares.of)
        for number in pick.expired:
            late = DeadlineExceeded("The result did not come within the time limit.")
            self._entries.pop(number).fail(late)
        batch = [self._entries.pop(n) for n in pick.batch]
        wanted = [e for e in batch if e.start()]
        if not wanted:  # all of the batch were cancelled this instant
            return self._pick(consumer) if batch else None
        for entry in wanted:
            waiting = entry.waiting
            self._shares.serve(waiting.owner, waiting.tag, waiting.cost)
            self._observer.taken(LANES[waiting.lane], now - waiting.enqueued)
        return EngineCall(wanted, now, any(e.waiting.bulk for e in wanted))

    def _drain(self) -> list[QueueEntry]:
        waiting = list(self._entries.values())
        self._entries.clear()
        self._observe_depths()
        return waiting
