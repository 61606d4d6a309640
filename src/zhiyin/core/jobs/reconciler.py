"""Reconciles job records: requeue, recover leases, deliver webhooks, expire.

Any number of reconcilers may run; every step is a compare and swap, and its effects are idempotent.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from zhiyin.core.jobs import lifecycle, webhooks
from zhiyin.core.jobs.records import JobRecords
from zhiyin.core.tasks import cancel_all
from zhiyin.domain.backoff import backoff_s
from zhiyin.domain.errors import AsrError, Unavailable
from zhiyin.domain.job import Job, JobState, WebhookState
from zhiyin.ports.blobs import BlobStore
from zhiyin.ports.observer import UNOBSERVED, Observer
from zhiyin.ports.queue import JobQueue
from zhiyin.ports.web import Web

log = logging.getLogger(__name__)

_BATCH = 100
_MAX_DELIVERIES = 16
_POLL_S = 1.0
_ORPHAN_S = 3600.0
_SCRUB_S = 600.0
_LONGEST_PAUSE_S = 30.0


@dataclass(slots=True)
class Reconciler:
    """Reconciler, one per process. `secrets` sign webhooks."""

    records: JobRecords
    queue: JobQueue
    blobs: BlobStore
    web: Web
    secrets: Sequence[bytes]
    observer: Observer = UNOBSERVED
    _woken: asyncio.Event = field(default_factory=asyncio.Event)
    _deliveries: set[asyncio.Task[None]] = field(default_factory=set)
    _swept: float = 0.0
    _scrubbed: float = 0.0
    _busy: bool = False
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
                    await self._sweep_orphans()
                    await self._scrub()
                    failures = 0
                    pause_s = 0.0 if busy else _POLL_S
                except Unavailable as error:
                    log.warning("jobs can't be reconciled now: %s", error.message)
                    failures += 1
                    pause_s = backoff_s(failures, _POLL_S, _LONGEST_PAUSE_S)
                await self._wait(pause_s)
        finally:
            await cancel_all(self._deliveries)

    async def reconcile(self) -> bool:
        """Handle the jobs that are due; whether there may be more."""
        jobs = await self.records.store.due(self.records.clock(), _BATCH)
        self._busy = any(job.put_at is not None for job in jobs) and await self._queue_advances()
        failed = 0
        for job in jobs:
            try:
                await self._reconcile(job)
            except Unavailable as error:
                failed += 1
                log.warning("a job can't be reconciled now: %s", error.message)
        return len(jobs) == _BATCH and not failed

    async def _wait(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        self._woken.clear()

    async def _reconcile(self, job: Job) -> None:
        now = self.records.clock()
        if job.state is JobState.RUNNING:
            await self._recover_lease(job, now)
        elif job.state is JobState.QUEUED:
            await self._enqueue(job, now)
        elif job.webhook.due_at is not None and job.webhook.due_at <= now:
            await self._claim_webhook(job, now)
        elif job.until is not None and job.until <= now:
            await self._delete_job(job)
        elif job.recording.blob and job.recording.until <= now:
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
        try:
            await self.queue.put(job.id, job.request.priority)
            self.observer.count("jobs.queued_again")
        except Unavailable as error:
            log.warning("a job can't be queued now: %s", error.message)
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

    async def _claim_webhook(self, job: Job, now: float) -> None:
        """Claim the next attempt; webhooks may take long, so each is delivered in a task."""
        claimed = lifecycle.webhook_claimed(job, now, self.records.policy)
        if claimed is None or not (claimed := await self.records.swap(claimed)):
            return
        if claimed.webhook.delivery is WebhookState.GIVEN_UP:
            self.observer.count("jobs.webhooks_given_up")
            return
        if len(self._deliveries) >= _MAX_DELIVERIES:
            await asyncio.wait(self._deliveries, return_when=asyncio.FIRST_COMPLETED)
        task = asyncio.create_task(self._deliver_webhook(claimed))
        self._deliveries.add(task)
        task.add_done_callback(self._deliveries.discard)

    async def _deliver_webhook(self, job: Job) -> None:
        """Post the webhook and store the outcome."""
        policy = self.records.policy
        delivered = await self._post_webhook(job)
        self.observer.count("jobs.webhooks_delivered", delivered)
        self.observer.count("jobs.webhooks_failed", not delivered)
        step = partial(lifecycle.webhook_attempted, run=job.run, delivered=delivered, policy=policy)
        try:
            changed = await self.records.change(job.id, step)
        except Unavailable as error:  # it is sent again, with the same id
            log.warning("a webhook's outcome could not be stored: %s", error.message)
            return
        given_up = changed is not None and changed.webhook.delivery is WebhookState.GIVEN_UP
        self.observer.count("jobs.webhooks_given_up", given_up)

    async def _post_webhook(self, job: Job) -> bool:
        body = webhooks.message(job)
        headers = webhooks.signed(job.event_id, body, self.secrets, self.records.clock())
        try:
            status = await self.web.post(job.request.webhook_url, headers, body)
        except AsrError as error:
            log.warning("a webhook was not delivered: %s", error.code)
            return False
        if not 200 <= status < 300:
            log.warning("a webhook was answered with %d", status)
        return 200 <= status < 300

    async def _delete_audio(self, job: Job) -> None:
        await self.blobs.delete(job.recording.blob)
        changed = lifecycle.without_audio(job)
        if changed is not None and await self.records.swap(changed):
            self.observer.count("jobs.audio_deleted")
            log.info("the recording of a job has expired and was deleted")

    async def _delete_job(self, job: Job) -> None:
        for blob in (job.recording.blob, job.result):
            if blob:
                await self.blobs.delete(blob)
        if await self.records.store.remove(job):
            self.observer.count("jobs.jobs_forgotten")
            log.info("a job has expired and was deleted")

    async def _scrub(self) -> None:
        """Empty the journal of what was deleted, where an erasure could not or did not."""
        now = self.records.clock()
        if now < self._scrubbed + _SCRUB_S:
            return
        self._scrubbed = now
        await self.records.store.scrub(wait=False)

    async def _sweep_orphans(self) -> None:
        """Delete blobs without a job: their process died between the two writes."""
        before = self.records.clock() - _ORPHAN_S
        if before < self._swept + _ORPHAN_S:
            return
        for name in await self.blobs.names(self._swept, before):
            job = await self.records.store.get(name.split(".", 1)[0])
            if job is None or name not in (job.recording.blob, job.result):
                self.observer.count("jobs.orphans_deleted", await self.blobs.delete(name))
        self._swept = before
