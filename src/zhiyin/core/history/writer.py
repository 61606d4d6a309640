"""History writer: a bounded write-behind queue that retries while the database is unavailable."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from zhiyin.core.tasks import cancel_all
from zhiyin.domain.backoff import backoff_s
from zhiyin.domain.caller import Caller
from zhiyin.domain.errors import AsrError
from zhiyin.domain.history import HistoryEntry, new_id
from zhiyin.domain.transcript import Transcript
from zhiyin.ports.history import History
from zhiyin.ports.observer import UNOBSERVED, Observer

log = logging.getLogger(__name__)

_MAX_FAILURES = 3  # failures after which an entry is dropped, when others could be written


@dataclass(frozen=True, slots=True)
class HistoryWriterPolicy:
    """At most `waiting` entries with `waiting_chars` of text wait; more are dropped.

    Entries are written `batch` at a time, `linger_s` after the first came, so that answers go
    first. After a failure comes a pause of `retry_s` seconds, twice as long each time, at most
    `max_retry_s`. At the end, `drain_s` seconds are spent on what still waits.
    """

    waiting: int = 1_000
    waiting_chars: int = 20_000_000
    batch: int = 50
    linger_s: float = 0.05
    retry_s: float = 0.5
    max_retry_s: float = 15.0
    drain_s: float = 5.0


@dataclass(eq=False, slots=True)
class _Pending:
    entry: HistoryEntry
    chars: int
    failures: int = 0
    kept_before: int = 0


class HistoryWriter:
    """Write-behind queue of transcripts. Used from the event loop only.

    `degraded_reason` is why nothing is written; empty while writing works.
    """

    def __init__(
        self, history: History, policy: HistoryWriterPolicy, observer: Observer = UNOBSERVED
    ) -> None:
        self._observer = observer
        self._kept = 0
        self._dropped = 0
        self.degraded_reason = ""
        self._history = history
        self._policy = policy
        self._queue: deque[_Pending] = deque()
        self._chars = 0
        self._enqueued = asyncio.Event()
        self._progress = asyncio.Event()
        self._failures = 0  # in a row
        self._writing = asyncio.Lock()
        self._one_by_one = False
        self._permanent = False
        self._task: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """Queued entries."""
        return len(self._queue)

    def start(self) -> None:
        """Start writing."""
        self._task = asyncio.create_task(self._run())

    def enqueue(self, entry: HistoryEntry) -> bool:
        """Queue an entry; False when the queue is full. Never waits and never raises."""
        chars = sum(len(segment.text) for segment in entry.transcript.segments)
        full = len(self._queue) >= self._policy.waiting
        if full or self._chars + chars > self._policy.waiting_chars:
            self._count_dropped("too many wait to be written")
            return False
        self._queue.append(_Pending(entry, chars))
        self._chars += chars
        self._enqueued.set()
        return True

    def record(self, caller: Caller, transcript: Transcript, latency_s: float) -> None:
        """Queue a transcript, unless the caller opts out."""
        if caller.store:
            now = datetime.now(UTC)
            self.enqueue(HistoryEntry(new_id(now), now, caller.origin, latency_s, transcript))

    async def drop(self, owner: str) -> int:
        """Drop an owner's queued entries; how many.

        Afterwards no entry that was queued before is being written any more.
        """
        async with self._writing:
            theirs = [w for w in self._queue if w.entry.caller.owner == owner]
            for waiting in theirs:
                self._queue.remove(waiting)
                self._chars -= waiting.chars
        self._progress.set()
        return len(theirs)

    async def close(self) -> None:
        """Write what is queued, unless the database is unavailable, and stop."""
        if self._task is None:
            return
        if not self.degraded_reason:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._policy.drain_s):
                    await self._drained()
        await cancel_all([self._task])
        if self._queue:
            log.warning("%d transcripts are lost: they could not be written", len(self._queue))

    async def _drained(self) -> None:
        while self._queue and not self.degraded_reason:
            await self._progress.wait()
            self._progress.clear()

    async def _run(self) -> None:
        while not await self._succeeded(self._history.prepare()):
            await self._pause()
        while True:
            while not self._queue:
                self._enqueued.clear()
                await self._enqueued.wait()
            await asyncio.sleep(self._policy.linger_s)
            async with self._writing:
                done = await self._write()
            if not done:
                await self._pause()

    async def _write(self) -> bool:
        """Write the next entries; one alone after a failure, to find out what can't be written."""
        count = 1 if self._one_by_one else self._policy.batch
        some = [self._queue.popleft() for _ in range(min(count, len(self._queue)))]
        if not some:  # dropped meanwhile
            return True
        try:
            done = await self._succeeded(self._history.add([w.entry for w in some]))
        except asyncio.CancelledError:
            self._queue.extendleft(reversed(some))
            raise
        self._one_by_one = not done
        if done:
            self._kept += len(some)
            self._observer.count("history.kept", len(some))
            self._chars -= sum(w.chars for w in some)
        elif len(some) > 1:
            self._queue.extendleft(reversed(some))
        else:
            self._retry_or_drop(some[0])
        self._progress.set()
        return done

    def _retry_or_drop(self, waiting: _Pending) -> None:
        """An entry that failed alone: to the end of the queue, or dropped if others succeeded."""
        if waiting.failures == 0:
            waiting.kept_before = self._kept
        waiting.failures += 1
        others_pass = self._kept > waiting.kept_before
        if self._permanent or (waiting.failures >= _MAX_FAILURES and others_pass):
            self._chars -= waiting.chars
            self._count_dropped("it can't be written")
        else:
            self._queue.append(waiting)

    async def _succeeded(self, work: Awaitable[object]) -> bool:
        """Whether it succeeded; each new error is logged once."""
        try:
            await work
        except AsrError as error:
            self._observer.count("history.failures")
            self._failures += 1
            self._permanent = not error.retryable
            if error.message != self.degraded_reason:
                log.warning("the history is not written: %s", error.message)
            self.degraded_reason = error.message
            return False
        if self.degraded_reason:
            log.info("the history is written again; %d transcripts wait", len(self._queue))
        self.degraded_reason, self._failures = "", 0
        return True

    async def _pause(self) -> None:
        policy = self._policy
        await asyncio.sleep(backoff_s(self._failures, policy.retry_s, policy.max_retry_s))

    def _count_dropped(self, why: str) -> None:
        self._dropped += 1
        self._observer.count("history.dropped")
        if self._dropped.bit_count() == 1:  # the 1st, 2nd, 4th, 8th ...
            log.warning("a transcript is dropped: %s (%d so far)", why, self._dropped)
