"""Delivery of webhooks, beside everything else: bounded in all and for each host."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from zhiyin.core.jobs import lifecycle, webhooks
from zhiyin.core.jobs.host_slots import HostSlots
from zhiyin.core.jobs.records import JobRecords
from zhiyin.core.tasks import cancel_all
from zhiyin.domain.errors import AsrError, Unavailable
from zhiyin.domain.job import Job, WebhookState
from zhiyin.ports.observer import UNOBSERVED, Observer
from zhiyin.ports.web import Web

log = logging.getLogger(__name__)


@dataclass(slots=True)
class WebhookDelivery:
    """Claims attempts and posts them in tasks. `secrets` sign; `tasks` are under way."""

    records: JobRecords
    web: Web
    secrets: Sequence[bytes]
    slots: HostSlots
    observer: Observer = UNOBSERVED
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def begin(self, job: Job, now: float) -> None:
        """Begin the attempt that is due, or postpone it while too many are under way."""
        url = job.request.webhook_url
        wait_s = self.slots.take(url)
        if wait_s:
            await self.records.store.postpone(job, now + wait_s)
            return
        claimed = None
        try:
            claimed = await self._claim(job, now)
        finally:
            if claimed is None:
                self.slots.release(url)
        if claimed is not None:
            task = asyncio.create_task(self._deliver(claimed))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def close(self) -> None:
        """Stop; what is under way is sent again later, with the same id."""
        await cancel_all(self.tasks)

    async def _claim(self, job: Job, now: float) -> Job | None:
        claimed = lifecycle.webhook_claimed(job, now, self.records.policy)
        if claimed is None or not (claimed := await self.records.swap(claimed)):
            return None
        if claimed.webhook.delivery is WebhookState.GIVEN_UP:
            self.observer.count("jobs.webhooks_given_up")
            return None
        return claimed

    async def _deliver(self, job: Job) -> None:
        """Post the webhook and store the outcome."""
        began = time.monotonic()
        try:
            delivered = await self._post(job)
        finally:
            self.slots.release(job.request.webhook_url, time.monotonic() - began)
        policy = self.records.policy
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

    async def _post(self, job: Job) -> bool:
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
