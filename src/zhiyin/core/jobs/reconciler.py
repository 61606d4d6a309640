"""Looks after jobs whose time has come: those nobody took, lost leases, messages, expiry.

Any number of keepers may run; every step is a compare and swap, and what it does can be done twice.
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

_AT_ONCE = 100
_MESSAGES_AT_ONCE = 16
_LOOK_S = 1.0
_ORPHAN_S = 3600.0
_LONGEST_PAUSE_S = 30.0


@dataclass(slots=True)
class Reconciler:
    """One per process; `run` until cancelled. `secrets` sign messages."""

    records: JobRecords
    queue: JobQueue
    blobs: BlobStore
    web: Web
    secrets: Sequence[bytes]
    observer: Observer = UNOBSERVED
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _messages: set[asyncio.Task[None]] = field(default_factory=set)
    _swept: float = 0.0
    _busy: bool = False
    _lag: int = 0

    def wake(self) -> None:
        """Something has ended; look now."""
        self._news.set()

    async def run(self) -> None:
        """Look after jobs until cancelled."""
        failures = 0
        try:
            while True:
                try:
                    busy = await self.attend()
                    await self._sweep_orphans()
                    failures = 0
                    pause_s = 0.0 if busy else _LOOK_S
                except Unavailable as error:
                    log.warning("jobs can't be looked after now: %s", error.message)
                    failures += 1
                    pause_s = backoff_s(failures, _LOOK_S, _LONGEST_PAUSE_S)
                await self._wait(pause_s)
        finally:
            await cancel_all(self._messages)

    async def attend(self) -> bool:
        """Do what is due; whether there may be more."""
        jobs = await self.records.store.due(self.records.clock(), _AT_ONCE)
        self._busy = any(job.put_at is not None for job in jobs) and await self._moves()
        failed = 0
        for job in jobs:
            try:
                await self._attend(job)
            except Unavailable as error:
                failed += 1
                log.warning("a job can't be looked after now: %s", error.message)
        return len(jobs) == _AT_ONCE and not failed

    async def _wait(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._news.wait()
        self._news.clear()

    async def _attend(self, job: Job) -> None:
        now = self.records.clock()
        if job.state is JobState.RUNNING:
            await self._recover(job, now)
        elif job.state is JobState.QUEUED:
            await self._queue(job, now)
        elif job.webhook.due_at is not None and job.webhook.due_at <= now:
            await self._tell_soon(job, now)
        elif job.until is not None and job.until <= now:
            await self._forget(job)
        elif job.recording.blob and job.recording.until <= now:
            await self._delete_audio(job)

    async def _recover(self, job: Job, now: float) -> None:
        changed = lifecycle.lost(job, now, self.records.policy)
        if changed is None or not (changed := await self.records.swap(changed)):
            return
        self.observer.count("jobs.leases_lost")
        log.warning("a worker has lost its lease; attempt %d", job.attempts)
        if changed.state is JobState.FAILED:
            with suppress(Unavailable):
                await self.queue.dead_letter(job.id, lifecycle.LOST.code)
        else:
            await self._queue(changed, now)

    async def _queue(self, job: Job, now: float) -> None:
        """Put what waits into the queue, if it may not be there."""
        policy = self.records.policy
        late = lifecycle.expired(job, now, policy)
        if late is not None:
            self.observer.count("jobs.jobs_expired", await self.records.swap(late) is not None)
            return
        again = lifecycle.put(job, now)
        if again is None or await self.records.swap(again) is None:
            return
        if job.put_at is not None and self._busy:
            return  # a queue with work explains the wait
        try:
            await self.queue.put(job.id, job.request.priority)
            self.observer.count("jobs.queued_again")
        except Unavailable as error:
            log.warning("a job can't be queued now: %s", error.message)
            step = partial(lifecycle.not_put, now=now, policy=policy)
            await self.records.change(job.id, step)

    async def _moves(self) -> bool:
        """Whether the queue has work and somebody takes it; a broker may forget its readers."""
        try:
            lag, before = await self.queue.lag(), self._lag
        except Unavailable:
            return False
        self._lag = lag
        running = (await self.records.store.backlog()).running
        return lag > 0 and (running > 0 or lag != before)

    async def _tell_soon(self, job: Job, now: float) -> None:
        """Claim the next attempt; messages may take long and are sent beside everything else."""
        claimed = lifecycle.telling(job, now, self.records.policy)
        if claimed is None or not (claimed := await self.records.swap(claimed)):
            return
        if claimed.webhook.delivery is WebhookState.GIVEN_UP:
            self.observer.count("jobs.webhooks_given_up")
            return
        if len(self._messages) >= _MESSAGES_AT_ONCE:
            await asyncio.wait(self._messages, return_when=asyncio.FIRST_COMPLETED)
        task = asyncio.create_task(self._tell(claimed))
        self._messages.add(task)
        task.add_done_callback(self._messages.discard)

    async def _tell(self, job: Job) -> None:
        policy = self.records.policy
        delivered = await self._send(job)
        self.observer.count("jobs.webhooks_delivered", delivered)
        self.observer.count("jobs.webhooks_failed", not delivered)
        step = partial(lifecycle.told, run=job.run, delivered=delivered, policy=policy)
        try:
            told = await self.records.change(job.id, step)
        except Unavailable as error:  # it is sent again, with the same id
            log.warning("a webhook's delivery could not be noted: %s", error.message)
            return
        given_up = told is not None and told.webhook.delivery is WebhookState.GIVEN_UP
        self.observer.count("jobs.webhooks_given_up", given_up)

    async def _send(self, job: Job) -> bool:
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
            log.info("the recording of a job was deleted at its time")

    async def _forget(self, job: Job) -> None:
        for blob in (job.recording.blob, job.result):
            if blob:
                await self.blobs.delete(blob)
        if await self.records.store.remove(job):
            self.observer.count("jobs.jobs_forgotten")
            log.info("a job was forgotten at its time")

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
