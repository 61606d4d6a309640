"""What the queue holds: admitted requests, their clips, and the engine calls that run. Data only.

Everything here but `SchedulerLimits` is changed under the queue's lock.
"""

from __future__ import annotations

from collections.abc import Collection
from concurrent.futures import Future
from contextvars import Context, copy_context
from dataclasses import dataclass, field

from zhiyin.core.scheduling.batching import Capacity, Lane, Waiting
from zhiyin.domain.caller import Caller
from zhiyin.domain.engine import Clip, ClipResult, Plan
from zhiyin.domain.errors import AsrError


@dataclass(frozen=True, slots=True)
class SchedulerLimits:
    """`max_requests` admitted at once; none has more than `max_backlog_s` of work in its way.

    See `backlog_s` for what is in a request's way. An engine call that lasts longer than
    `stuck_s` is given up and the engine is started anew, at most `max_restarts` times without a
    good result between.
    """

    max_requests: int = 64
    max_backlog_s: float = 600.0
    stuck_s: float = 120.0
    max_restarts: int = 3


@dataclass(eq=False, slots=True)
class AdmittedRequest:
    """One request from admission to its last clip.

    `backlog_s` is the predicted engine time still to come, `spent_s` that of the clips submitted;
    `deadline` is on the queue's clock.
    """

    caller: Caller
    lane: Lane
    backlog_s: float
    deadline: float | None
    bulk: bool = False
    spent_s: float = 0.0
    tag: float = 0.0
    released: bool = False
    futures: set[Future[ClipResult]] = field(default_factory=set)
    context: Context = field(default_factory=copy_context)
    """Of the request, for what engine threads log of its clips."""

    @property
    def live(self) -> bool:
        """Of a live session: others bound their number."""
        return self.lane <= Lane.PARTIAL


@dataclass(eq=False, slots=True)
class QueueEntry:
    """A clip in the queue or in the engine."""

    waiting: Waiting
    clip: Clip
    plan: Plan
    request: AdmittedRequest
    future: Future[ClipResult]

    @property
    def unwanted(self) -> bool:
        """Whether its request was released or its future cancelled."""
        return self.request.released or self.future.cancelled()

    def start(self) -> bool:
        """Whether it is still wanted; from now on it can't be cancelled."""
        return self.future.running() or self.future.set_running_or_notify_cancel()

    def fail(self, error: AsrError) -> None:
        """End it with an error, unless it was cancelled."""
        if self.start():
            self.future.set_exception(error)


@dataclass(frozen=True, slots=True)
class NextPass:
    """A clip that the engine wants once more, and how it would run it (see `Again`)."""

    clip: Clip
    plan: Plan


ClipOutcome = ClipResult | NextPass | AsrError


@dataclass(eq=False, slots=True)
class EngineCall:
    """The batch that one thread runs. `given_up`: its entries were answered without it."""

    entries: list[QueueEntry]
    begun: float
    bulk: bool
    given_up: bool = False

    @property
    def final(self) -> bool:
        """Whether a live session waits for it."""
        return any(e.waiting.lane is Lane.FINAL for e in self.entries)


@dataclass(eq=False, slots=True)
class Consumer:
    """The threads of one engine as the queue sees them.

    `size` of them, `idle` ones wait in `Queue.take`; `calls` run. `answered`: a call gave a
    result. A `retired` one takes nothing more.
    """

    size: int = 1
    max_batch: int = 1
    idle: int = 0
    calls: set[EngineCall] = field(default_factory=set)
    answered: bool = False
    retired: bool = False

    @property
    def capacity(self) -> Capacity:
        """For `pick_batch`: one thread is kept from bulk when there are several."""
        final = any(c.final for c in self.calls)
        if self.size == 1:
            return Capacity(self.idle, final=final)
        bulk = sum(c.bulk for c in self.calls)
        return Capacity(self.idle, max(0, self.size - 1 - bulk), spare=True, final=final)


def backlog_s(requests: Collection[AdmittedRequest], wanted_s: float) -> float:
    """Predicted engine seconds that are done before a request of `wanted_s` is.

    Under fair sharing nobody is served more than it until then, so that a long recording is not
    in the way of a short one.
    """
    return wanted_s + sum(min(r.backlog_s, wanted_s) for r in requests)


def retry_after(
    requests: Collection[AdmittedRequest], wanted_s: float, limits: SchedulerLimits, threads: int
) -> float:
    """Seconds until a request of `wanted_s` will be admitted, 1 to 120.

    When requests are too many, one must end: under fair sharing the smallest does first, after
    each had as much as it needs. When work is too much, the excess must be done.
    """
    wait = (backlog_s(requests, wanted_s) - limits.max_backlog_s) / threads
    if len(requests) >= limits.max_requests:
        smallest = min(r.backlog_s for r in requests)
        wait = max(wait, smallest * len(requests) / threads)
    return min(120.0, max(1.0, wait))
