"""Reconciles job records: requeue, recover leases, have webhooks delivered, expire.

Any number of reconcilers may run; every step is a compare and swap, and its effects are idempotent.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from zhiyin.core.jobs import lifecycle
from zhiyin.core.jobs.delivery import WebhookDelivery
from zhiyin.core.jobs.records import JobRecords
from zhiyin.domain.backoff import backoff_s
from zhiyin.domain.errors import AsrError, MissingBlob, Unavailable
from zhiyin.domain.job import Job, JobState
from zhiyin.ports.blobs import BlobStore
from zhiyin.ports.observer import UNOBSERVED, Observer
from zhiyin.ports.queue import JobQueue

log = logging.getLogger(__name__)

_BATCH = 100
_POLL_S = 1.0
_LONGEST_PAUSE_S = 30.0
_POSTPONED_S = 30.0  # until a job is looked at again when something of it failed
_FAILED_S = 90.0  # and when it was a deletion
_MOST_FAILURES = 3  # deletions in a row that fail: then their store is away
_DELETIONS_S = 5.0  # of a round: a store that does not answer must not hold up the rest


@dataclass(slots=True)
class Reconciler:
    """Reconciler, one per process."""

    records: JobRecords
    queue: JobQueue
    blobs: BlobStore
    webhooks: WebhookDelivery
    observer: Observer = UNOBSERVED
    _woken: asyncio.Event = field(default_factory=asyncio.Event)
    _busy: bool = False
    _queue_away: bool = False
    _delete_at: float = 0.0  # no attempt before
    _lag: int = 0

    def wake(self) -> None:
        """Reconcile now: a job has ended."""
        self._woken.set()

    async def run(self) -> None:
        """Reconcile until cancelled."""
        failures = 0
        try:
            while True:
                try:
                    busy = await self.reconcile()
                    failures = 0
                    pause_s = 0.0 if busy else _POLL_S
                except Unavailable as error:
                    log.warning("jobs can't be reconciled now: %s", error.message)
                    failures += 1
                    pause_s = backoff_s(failures, _POLL_S, _LONGEST_PAUSE_S)
                await self._wait(pause_s)
        finally:
            await self.webhooks.close()

    async def reconcile(self) -> bool:
        """Handle the jobs that are due; whether there may be more.

        A job of which something fails is looked at again later: others come first.
        """
        now = self.records.clock()
        jobs = await self.records.store.due(now, _BATCH)
        self._busy = any(job.put_at is not None for job in jobs) and await self._queue_advances()
        self._queue_away = False
        for job in jobs:
            if not _is_over(job, now):
                await self._attempt(self._reconcile(job, now), job, now + _POSTPONED_S)
        await self._delete_expired([job for job in jobs if _is_expired(job, now)], now)
        return len(jobs) == _BATCH

    async def _attempt(self, step: Coroutine[Any, Any, None], job: Job, again_at: float) -> bool:
        """Whether the step was done; else the job is postponed. Raises Unavailable."""
        try:
            await step
        except AsrError as error:
            log.warning("a job can't be reconciled now: %s", error.message)
            await self.records.store.postpone(job, again_at)
            return False
        return True

    async def _delete_expired(self, jobs: Sequence[Job], now: float) -> None:
        """One after the other, until too many fail; the others later, but before these."""
        left, failures, deleted = list(jobs), 0, 0
        try:
            async with asyncio.timeout(_DELETIONS_S):
                while left and failures < _MOST_FAILURES and now >= self._delete_at:
                    if await self._attempt(self._delete(left[0], now), left[0], now + _FAILED_S):
                        deleted, failures = deleted + 1, 0
                    else:
                        failures += 1
                    del left[0]
        except TimeoutError:
            await self.records.store.postpone(left.pop(0), now + _FAILED_S)
        if jobs and not deleted and now >= self._delete_at:
            log.warning("jobs that have expired can't be deleted now")
            self._delete_at = now + _POSTPONED_S
        for job in left:
            await self.records.store.postpone(job, max(now + _POLL_S, self._delete_at))

    async def _wait(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        self._woken.clear()

    async def _reconcile(self, job: Job, now: float) -> None:
        if job.state is JobState.RUNNING:
            await self._recover_lease(job, now)
        elif job.state is JobState.QUEUED:
            await self._enqueue(job, now)
        elif job.webhook.due_at is not None and job.webhook.due_at <= now:
            await self.webhooks.begin(job, now)

    async def _delete(self, job: Job, now: float) -> None:
        if _is_over(job, now):
            await self._delete_job(job)
        else:
            await self._delete_audio(job)

    async def _recover_lease(self, job: Job, now: float) -> None:
        changed = lifecycle.lease_lost(job, now, self.records.policy)
        if changed is None or not (changed := await self.records.swap(changed)):
            return
        self.observer.count("jobs.leases_lost")
        log.warning("a worker's lease has expired; attempt %d", job.attempts)
        if changed.state is JobState.FAILED:
            with suppress(Unavailable):
                await self.queue.dead_letter(job.id, lifecycle.LOST.code)
        else:
            await self._enqueue(changed, now)

    async def _enqueue(self, job: Job, now: float) -> None:
        """Queue a waiting job, unless it is surely in the queue."""
        policy = self.records.policy
        late = lifecycle.expired(job, now, policy)
        if late is not None:
            self.observer.count("jobs.jobs_expired", await self.records.swap(late) is not None)
            return
        queued = lifecycle.queued(job, now)
        if queued is None or await self.records.swap(queued) is None:
            return
        if job.put_at is not None and self._busy:
            return  # a queue with work explains the wait
        if not self._queue_away:  # else every job would wait for it in turn
            try:
                await self.queue.put(job.id, job.request.priority)
                self.observer.count("jobs.queued_again")
                return
            except Unavailable as error:
                log.warning("jobs can't be queued now: %s", error.message)
                self._queue_away = True
        step = partial(lifecycle.not_queued, now=now, policy=policy)
        await self.records.change(job.id, step)

    async def _queue_advances(self) -> bool:
        """Whether workers take from a queue with work; a broker may lose its consumers."""
        try:
            lag, before = await self.queue.lag(), self._lag
        except Unavailable:
            return False
        self._lag = lag
        running = (await self.records.store.backlog()).running
        return lag > 0 and (running > 0 or lag != before)

    async def _delete_audio(self, job: Job) -> None:
        with suppress(MissingBlob):
            await self.blobs.delete(job.recording.blob)
        changed = lifecycle.without_audio(job)
        if changed is not None and await self.records.swap(changed):
            self.observer.count("jobs.audio_deleted")
            log.info("the recording of a job has expired and was deleted")

    async def _delete_job(self, job: Job) -> None:
        for blob in filter(None, (job.recording.blob, job.result)):
            with suppress(MissingBlob):
                await self.blobs.delete(blob)
        if await self.records.store.remove(job):
            self.observer.count("jobs.jobs_forgotten")
            log.info("a job has expired and was deleted")


def _is_over(job: Job, now: float) -> bool:
    """Whether the record of an ended job has to be deleted."""
    return job.state.ended and job.until is not None and job.until <= now


def _is_expired(job: Job, now: float) -> bool:
    """Whether an ended job, or its recording, has to be deleted."""
    audio = bool(job.recording.blob) and job.recording.until <= now
    return job.state.ended and (audio or _is_over(job, now))
