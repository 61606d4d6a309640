"""Places in the queue: what a request holds from admission to its last clip."""

from __future__ import annotations

from collections.abc import Collection
from concurrent.futures import Future
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from zhiyin.core.scheduling.batching import Lane, Waiting
from zhiyin.domain.caller import Caller
from zhiyin.domain.engine import Clip, ClipResult, Plan
from zhiyin.domain.errors import AsrError

if TYPE_CHECKING:
    from zhiyin.core.scheduling.scheduler import Scheduler


@dataclass(frozen=True, slots=True)
class SchedulerLimits:
    """`max_requests` admitted at once, with at most `max_backlog_s` of predicted engine work.

    An engine call that lasts longer than `stuck_s` is given up and the engine is started anew, at
    most `max_restarts` times without a good result between.
    """

    max_requests: int = 64
    max_backlog_s: float = 600.0
    stuck_s: float = 120.0
    max_restarts: int = 3


@dataclass(eq=False, slots=True)
class Admission:
    """One admitted request: its clips are always taken. A context manager; leaving releases it.

    `backlog_s` is the predicted engine time still to come, `spent_s` that of the clips submitted;
    `deadline` is on the scheduler's clock.
    """

    scheduler: Scheduler
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

    def submit(self, clip: Clip, lane: Lane | None = None) -> Future[ClipResult]:
        """Queue a clip, in the ticket's lane or another; cancelling the future takes it out."""
        future = self.scheduler.submit(self, clip, self.lane if lane is None else lane)
        self.futures.add(future)
        future.add_done_callback(self.futures.discard)
        return future

    def remaining(self, audio_s: float) -> None:
        """Tell how many seconds of the request's audio are still to come."""
        self.backlog_s = self.scheduler.cost.request(audio_s)

    def __enter__(self) -> Admission:
        return self

    def __exit__(self, *exc: object) -> None:
        self.scheduler.release(self)


@dataclass(eq=False, slots=True)
class QueueEntry:
    """A clip in the queue or in the engine."""

    waiting: Waiting
    clip: Clip
    plan: Plan
    admission: Admission
    future: Future[ClipResult]

    @property
    def unwanted(self) -> bool:
        """Whether nobody waits for it any more."""
        return self.admission.released or self.future.cancelled()

    def start(self) -> bool:
        """Whether it is still wanted; from now on it can't be cancelled."""
        return self.future.running() or self.future.set_running_or_notify_cancel()

    def fail(self, error: AsrError) -> None:
        """Hand the error to whoever waits, if somebody does."""
        if self.start():
            self.future.set_exception(error)


def retry_after(
    admissions: Collection[Admission], wanted_s: float, limits: SchedulerLimits, threads: int
) -> float:
    """Seconds until a request of `wanted_s` will be admitted, 1 to 120.

    When requests are too many, one must end: under fair sharing the smallest does first, after
    everybody had as much as it needs. When work is too much, the excess must be done.
    """
    backlog = sum(t.backlog_s for t in admissions)
    wait = (backlog + wanted_s - limits.max_backlog_s) / threads
    if len(admissions) >= limits.max_requests:
        smallest = min(t.backlog_s for t in admissions)
        wait = max(wait, smallest * len(admissions) / threads)
    return min(120.0, max(1.0, wait))
